"""Topics: made by `ingest topics create`, and looked up before a process starts to produce."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ingest.errors import Refused
from ingest.kafka.client import EVERY_CLIENT, new_admin, new_producer
from ingest.kafka.complaints import Complaints, classified
from ingest.timing import Deadline

if TYPE_CHECKING:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # missing from __all__

_APPEAR_SECONDS = 3.0
"""How long a topic can take to appear: a broker that makes topics on first use answers "unknown" to that first use."""

_LEAST_SECONDS = 0.1
"""librdkafka rejects a time-out of 0."""


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
    """The topic's actual number; for one that already existed it can differ from the requested one."""


def create_topics(
    bootstrap_servers: str, settings: Mapping[str, str], specs: Sequence[TopicSpec], timeout: float
) -> list[TopicResult]:
    """Creates the missing topics, in the order of `specs`. Existing ones stay as they are, whatever their settings.

    `settings` are further librdkafka settings with secrets in the clear; `timeout` is in seconds, for everything.
    Raises Refused if the cluster refuses one (others can have been created), Unreachable if it does not answer.
    """
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # documented, but missing from __all__

    deadline = Deadline(timeout)
    admin = Topics({**EVERY_CLIENT, **settings, "bootstrap.servers": bootstrap_servers})
    # Asks for all topics, as a question about one can create it.
    existing = admin.partitions(deadline)
    missing = [
        NewTopic(spec.name, spec.partitions, spec.replication_factor, config=dict(spec.config))
        for spec in specs
        if spec.name not in existing
    ]
    created = admin.create(missing, deadline)
    for topic in missing:
        if topic.topic not in created:  # another client made it meanwhile
            existing[topic.topic] = admin.describe(topic.topic, deadline.remaining())
    return [
        TopicResult(spec.name, "created", spec.partitions)
        if spec.name in created
        else TopicResult(spec.name, "exists", existing[spec.name])
        for spec in specs
    ]


def describe(client: "Producer | AdminClient", topic: str, timeout: float, complaints: Complaints | None = None) -> int:
    """Returns how many partitions the topic has; `timeout` in seconds. A broker that makes topics on first use makes it
    now.

    `complaints` is the client's error callback, the only source for why no broker answers. Raises Refused if the topic
    does not exist or may not be seen, or the brokers refuse this client; Unreachable if no broker answers. Serves the
    client's callbacks while it waits.
    """
    from confluent_kafka import KafkaException

    deadline = Deadline(timeout)
    appear = Deadline(min(timeout, _APPEAR_SECONDS))
    while True:
        try:
            found = client.list_topics(topic, max(_LEAST_SECONDS, deadline.remaining())).topics[topic]
        except KafkaException as failed:
            client.poll(0)
            error = failed.args[0] if complaints is None else complaints.reason(failed.args[0])
            raise classified(error, f"topic {topic!r} cannot be looked up") from failed
        if found.error is None:
            return len(found.partitions)
        if found.error.name() not in {"UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"}:
            raise classified(found.error, f"topic {topic!r} cannot be used")
        if appear.expired:
            raise Refused(f"topic {topic!r} does not exist: create it with `ingest topics create -c FILE`")
        client.poll(_LEAST_SECONDS)


class TopicMaker:
    """A producer that is asked about topics, and remembers why no broker answers. Its questions make a topic if the
    broker allows that; those of an admin client or a consumer do not."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings` and errors as for `new_producer`."""
        self._complaints = Complaints()
        self._producer = new_producer(settings, error_cb=self._complaints)

    def describe(self, topic: str, timeout: float) -> int:
        """As `describe` above."""
        return describe(self._producer, topic, timeout, self._complaints)


class Topics:
    """An admin client, which remembers why no broker answers. Its questions make no topic."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings` and errors as for `new_admin`."""
        self._complaints = Complaints()
        self._client = new_admin(settings, error_cb=self._complaints)

    def describe(self, topic: str, timeout: float) -> int:
        """As `describe` above."""
        return describe(self._client, topic, timeout, self._complaints)

    def partitions(self, deadline: Deadline) -> dict[str, int]:
        """Returns topic → number of partitions, for all topics that this client may see."""
        from confluent_kafka import KafkaException

        try:
            topics = self._client.list_topics(timeout=max(_LEAST_SECONDS, deadline.remaining())).topics
        except KafkaException as failed:
            self._client.poll(0)
            raise classified(self._complaints.reason(failed.args[0]), "Kafka does not answer") from failed
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def create(self, topics: "Sequence[NewTopic]", deadline: Deadline) -> set[str]:
        """Returns the names of those that did not exist."""
        from confluent_kafka import KafkaException

        if not topics:
            return set()
        seconds = max(_LEAST_SECONDS, deadline.remaining())
        created = set()
        answers = self._client.create_topics(list(topics), operation_timeout=seconds, request_timeout=seconds)
        for name, answer in answers.items():
            try:
                answer.result()
                created.add(name)
            except KafkaException as failed:
                if failed.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise classified(failed.args[0], f"topic {name!r} was not created") from failed
        return created
