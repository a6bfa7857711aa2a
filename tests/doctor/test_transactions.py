"""What exactly once needs of Kafka, as the doctor tells it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ingest.config import Config, Hub, Kafka, Secret, Source
from ingest.config.cluster import Cluster
from ingest.doctor.check import Verdict
from ingest.doctor.kafka_judges import judge_topic
from ingest.doctor.transactions import RIGHTS, judge_places, judge_refusal, transaction_checks
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.topics_in_use import topics_in_use
from ingest.kafka.transaction_log import Hindrance
from tests.config.samples import EVENT_HUB


@pytest.mark.parametrize(
    ("found", "hub", "policy", "result", "words"),
    [
        (4, ["0", "1", "2", "3"], "compact", "ok", "a place for each of the hub's 4 partitions, compacted"),
        (32, ["0"], None, "ok", "does not tell whether it is compacted"),
        (4, [], "compact", "ok", "4 places, compacted"),
        (2, ["0", "1", "2", "3"], "compact", "fail", "has 2 partitions, and the hub's partitions need 4"),
        (4, ["0", "1"], "delete", "fail", "Kafka deletes the position of a partition that is quiet"),
        (4, ["x"], "compact", "fail", "the hub calls a partition 'x', which is no number"),
    ],
)
def test_places(found: int, hub: Sequence[str], policy: str | None, result: str, words: str) -> None:
    verdict = judge_places("positions", found, hub, policy)
    assert verdict.result == result
    assert words in verdict.seen
    assert bool(verdict.fix) == (result == "fail")


@pytest.mark.parametrize(
    ("name", "result", "fix"),
    [
        (
            "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
            "fail",
            "--transactional-id ingest/ --resource-pattern-type prefixed",
        ),
        ("CLUSTER_AUTHORIZATION_FAILED", "fail", "--operation IdempotentWrite --cluster"),
        ("_TIMED_OUT", "warn", "transaction.state.log.replication.factor"),
        ("INVALID_TRANSACTION_TIMEOUT", "fail", "the brokers' log"),
    ],
)
def test_refusals(name: str, result: str, fix: str) -> None:
    verdict = judge_refusal(name, "no")
    assert verdict.result == result
    assert fix in verdict.fix


def test_what_hinders_transactions_is_told_in_place_of_a_time_that_is_over() -> None:
    verdict = judge_refusal("_TIMED_OUT", "no", Hindrance("no broker coordinates transactions", "start more"))
    assert (verdict.result, verdict.seen) == ("warn", "no broker coordinates transactions")
    assert verdict.fix.startswith("start more; try again")


def test_places_are_asked_about_where_they_are_needed_and_a_transaction_is_tried_for_exactly_once() -> None:
    with MockCluster() as cluster:
        config = Config(
            hub=Hub(event_hub_connection_string=Secret(EVENT_HUB)), kafka=Kafka(bootstrap_servers=cluster.bootstrap)
        )
        assert transaction_checks(config, None, dict, "Kafka") == []
        once = replace(config, source=Source(delivery="exactly_once"))
        shared = replace(config, cluster=Cluster("kafka"))
        assert [check.name for check in transaction_checks(shared, None, dict, "Kafka")] == [
            "places in ingest-positions"
        ]
        checks = transaction_checks(once, None, dict, "Kafka")
        assert [check.name for check in checks] == [RIGHTS, "places in ingest-positions"]
        assert checks[0].ask() == Verdict("ok", "may use transactional ids that begin with ingest/")


def test_positions_are_read_and_written() -> None:
    once = Config(hub=Hub(event_hub_connection_string=Secret(EVENT_HUB)), source=Source(delivery="exactly_once"))
    use = topics_in_use(once)["ingest-positions"]
    assert judge_topic("t", use, partitions=4, rights=["READ", "WRITE"], processes=1).seen == (
        "4 partitions, may read and write"
    )
    refused = judge_topic("t", use, partitions=4, rights=["WRITE"], processes=1)
    assert (refused.result, refused.seen) == ("fail", "4 partitions, but this user may not read it")
    assert "--operation Read --topic t" in refused.fix
