"""Topics: made by `ingest topics create`, and looked up before a process starts to produce."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ingest.deadline import Deadline
from ingest.errors import ConfigError, IngestError, Problem, Refused, Unreachable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

_APPEAR_SECONDS = 3.0
"""How long a topic may take to appear: a broker that makes topics on first use answers "unknown" to that first use."""

_LEAST_SECONDS = 0.1
"""librdkafka takes a time-out of 0 for a mistake."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int
    replication_factor: int = -1
    """-1: the broker's default."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Topic settings under Kafka's own names, such as `retention.ms`."""


@dataclass(frozen=True, slots=True)
class TopicResult:
    name: str
    outcome: Literal["created", "exists"]
    partitions: int
    """What the topic has, which for one that exists may not be what was asked for."""


def create_topics(
    bootstrap_servers: str, settings: Mapping[str, str], specs: Sequence[TopicSpec], timeout: float
) -> list[TopicResult]:
    """Create what is missing, in the order of `specs`. Topics that exist are left as they are, whatever their settings.

    `settings` are further librdkafka settings with secrets in the clear; `timeout` is in seconds, for everything.
    Raises Refused if the cluster says no to one (the others may have been created), Unreachable if it does not answer.
    """
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # documented, but missing from __all__

    deadline = Deadline(timeout)
    admin = _Admin(bootstrap_servers, settings)
    # Asked for all, as asking for one may create it.
    existing = admin.partitions(deadline)
    missing = [
        NewTopic(spec.name, spec.partitions, spec.replication_factor, config=dict(spec.config))
        for spec in specs
        if spec.name not in existing
    ]
    created = admin.create(missing, deadline)
    for topic in missing:
        if topic.topic not in created:  # somebody else made it meanwhile
            existing[topic.topic] = describe(admin.client, topic.topic, deadline.remaining())
    return [
        TopicResult(spec.name, "created", spec.partitions)
        if spec.name in created
        else TopicResult(spec.name, "exists", existing[spec.name])
        for spec in specs
    ]


def describe(client: "Producer | AdminClient", topic: str, timeout: float) -> int:
    """How many partitions the topic has; `timeout` in seconds. A broker that makes topics on first use makes it now.

    Raises Refused if it does not exist or may not be seen, Unreachable if no broker answers. Serves the client's
    callbacks while it waits.
    """
    from confluent_kafka import KafkaException

    deadline = Deadline(timeout)
    appear = Deadline(min(timeout, _APPEAR_SECONDS))
    while True:
        try:
            found = client.list_topics(topic, max(_LEAST_SECONDS, deadline.remaining())).topics[topic]
        except KafkaException as failed:
            raise _classified(failed.args[0], f"topic {topic!r} cannot be looked up") from failed
        if found.error is None:
            return len(found.partitions)
        if found.error.name() not in {"UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"}:
            raise _classified(found.error, f"topic {topic!r} cannot be used")
        if appear.expired:
            raise Refused(f"topic {topic!r} does not exist: create it with `ingest topics create -c FILE`")
        client.poll(_LEAST_SECONDS)


class _Admin:
    """An AdminClient that remembers why no broker answers: librdkafka tells that to a callback alone."""

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, str]) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        self._complaints: list[KafkaError] = []
        try:
            self.client = AdminClient(
                # Its log lines say on stderr what the callback says.
                {"log_level": 2, **settings, "bootstrap.servers": bootstrap_servers},
                error_cb=self._complaints.append,
            )
        except KafkaException as wrong:
            raise ConfigError([Problem("kafka.librdkafka", "", wrong.args[0].str())]) from wrong

    def partitions(self, deadline: Deadline) -> dict[str, int]:
        """Topic → number of partitions, of all topics that this client may see."""
        from confluent_kafka import KafkaException

        try:
            topics = self.client.list_topics(timeout=max(_LEAST_SECONDS, deadline.remaining())).topics
        except KafkaException as failed:
            self.client.poll(0)
            errors = sorted([failed.args[0], *self._complaints], key=_weight)
            raise _classified(errors[-1], "Kafka does not answer") from failed
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def create(self, topics: "Sequence[NewTopic]", deadline: Deadline) -> set[str]:
        """Names of those that did not exist."""
        from confluent_kafka import KafkaException

        if not topics:
            return set()
        seconds = max(_LEAST_SECONDS, deadline.remaining())
        created = set()
        answers = self.client.create_topics(list(topics), operation_timeout=seconds, request_timeout=seconds)
        for name, answer in answers.items():
            try:
                answer.result()
                created.add(name)
            except KafkaException as failed:
                if failed.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise _classified(failed.args[0], f"topic {name!r} was not created") from failed
        return created


def _weight(error: "KafkaError") -> int:
    """Which of several errors is the reason: a rejected login, then a broken connection, then that nothing came."""
    return {"_AUTHENTICATION": 3, "_SSL": 3, "_RESOLVE": 2, "_TRANSPORT": 1}.get(error.name(), 0)


def _classified(error: "KafkaError", sentence: str) -> IngestError:
    local = error.code() < 0
    lasting = error.name() in {"_AUTHENTICATION", "_SSL", "_INVALID_ARG"} if local else not error.retriable()
    return (Refused if lasting else Unreachable)(f"{sentence}: {error.str()}")
