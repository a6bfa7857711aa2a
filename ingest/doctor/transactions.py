"""Checks what exactly once, and nodes that share a hub, need of Kafka: a place for every position, and the right to
transactions."""

import socket
from collections.abc import Callable, Sequence

from ingest.config import Config
from ingest.doctor.check import Check, Verdict, fail, ok, warn
from ingest.errors import IngestError
from ingest.kafka import transaction_log
from ingest.kafka.admin import Topics
from ingest.kafka.client import new_producer, settings
from ingest.kafka.complaints import fix_of
from ingest.kafka.position_topic import POLICY, needed, too_few, uncompacted
from ingest.kafka.transaction_log import Hindrance
from ingest.source.checkpoints.position_record import ID_PREFIX

RIGHTS = "transactions"
_ASK_SECONDS = 3.0
_LOOK_SECONDS = 1.0
"""Both are within the time of a check."""
_ALLOW = (
    "allow it: kafka-acls.sh --add --allow-principal User:NAME --operation Write --operation Describe "
    f"--transactional-id {ID_PREFIX} --resource-pattern-type prefixed"
)


def transaction_checks(
    config: Config, hub_partitions: Callable[[], Sequence[str]] | None, topics: Callable[[], dict[str, int]], kafka: str
) -> list[Check]:
    """Returns none unless the topic of positions is needed, and transactions only for exactly once. `hub_partitions`: as the
    check "partitions" has found them, None without that check; `topics`: topic → number of its partitions, as the check `kafka`
    has found them."""
    if not config.reads_telemetry or not config.needs_position_topic:
        return []
    topic = config.source.position_topic

    def places() -> Verdict:
        wanted = list(config.source.partitions) or (list(hub_partitions()) if hub_partitions is not None else [])
        policy = Topics({**settings(config.kafka), "log_level": 0}).setting(topic, POLICY, _ASK_SECONDS)
        return judge_places(topic, topics().get(topic, 0), wanted, policy)

    rights = [Check(RIGHTS, lambda: _try(config), needs=(kafka,))] if config.source.delivery == "exactly_once" else []
    return [
        *rights,
        Check(
            f"places in {topic}",
            places,
            needs=(f"topic {topic}",),
            after=("partitions",) if hub_partitions is not None else (),
        ),
    ]


def judge_places(topic: str, found: int, hub_partitions: Sequence[str], policy: str | None) -> Verdict:
    """Judges the topic of positions. `policy`: its cleanup.policy; None: unknown."""
    try:
        wrong = too_few(topic, found, needed(hub_partitions))
    except IngestError as error:
        wrong = str(error)
    if wrong is not None:
        seen, _, fix = wrong.rpartition(": ")
        return fail(seen, fix)
    deletes = uncompacted(topic, policy)
    if deletes is not None:
        return fail(*deletes)
    for_all = f"a place for each of the hub's {len(hub_partitions)} partitions" if hub_partitions else f"{found} places"
    return ok(f"{for_all}, compacted" if policy else f"{for_all} (the cluster does not tell whether it is compacted)")


def judge_refusal(name: str, words: str, hindrance: Hindrance | None = None) -> Verdict:
    """Judges librdkafka's error `name` of the first transaction, with its text. `hindrance`: why no broker coordinates
    transactions, and the fix; None: unknown."""
    if name == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED":
        return fail(f"this user may not use transactional ids that begin with {ID_PREFIX}", _ALLOW)
    if name == "CLUSTER_AUTHORIZATION_FAILED":
        return fail(
            "this user may not write idempotently",
            "allow it: kafka-acls.sh --add --allow-principal User:NAME --operation IdempotentWrite --cluster",
        )
    if hindrance is not None:
        return warn(hindrance.seen, f"{hindrance.fix}; try again if they were just started")
    if name == "_TIMED_OUT":
        return warn(
            f"no answer in {_ASK_SECONDS:g} s ({words})",
            "try again; if that stays so, the brokers cannot make their topic __transaction_state: see "
            "transaction.state.log.replication.factor and their number",
        )
    return fail(words, fix_of(name, words) or "see the brokers' log")


def _try(config: Config) -> Verdict:
    from confluent_kafka import KafkaException

    name = f"{ID_PREFIX}doctor/{socket.gethostname()}"
    producer = new_producer(
        {**settings(config.kafka), "transactional.id": name, "log_level": 0}, error_cb=lambda error: None
    )
    try:
        producer.init_transactions(_ASK_SECONDS)
        return ok(f"may use transactional ids that begin with {ID_PREFIX}")
    except KafkaException as failed:
        error = failed.args[0]
    # Not above, as it asks the client again: see Outbox._send.
    hindrance = transaction_log.hindrance(producer, _LOOK_SECONDS) if error.name() == "_TIMED_OUT" else None
    return judge_refusal(error.name(), error.str(), hindrance)
