"""Topics: made by `ingest topics create`, and looked up before a process starts to produce."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ingest.config import Kafka, event_hubs
from ingest.errors import Mismatched, Refused, Unreachable
from ingest.kafka.client import EVERY_CLIENT, new_admin, new_producer
from ingest.kafka.client import settings as settings_of
from ingest.kafka.complaints import Complaints, classified, lasting, unanswered
from ingest.kafka.listener import looks_at
from ingest.kafka.security import Security, wrong_kind
from ingest.timing import Deadline

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer
    from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic  # type: ignore[attr-defined]  # missing from __all__

_APPEAR_SECONDS = 3.0
"""How long a topic can take to appear: a broker that makes topics on first use answers "unknown" to that first use."""

_LEAST_SECONDS = 0.1
"""librdkafka rejects a time-out of 0."""
_FIRST_SECONDS = 0.5
"""How long the first question waits; each one after it waits twice as long. librdkafka waits on although it is refused."""
_LOOK_SECONDS = 3.0
CREATE = "create it with `ingest topics create -c FILE`"
"""The fix for a topic that does not exist."""


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
    outcome: Literal["created", "exists", "grown"]
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


def fix_of_missing(kafka: Kafka) -> str:
    """Returns how a topic that does not exist is created in this kind of cluster."""
    return event_hubs.HOW_TO_CREATE if kafka.kind == "event_hubs" else CREATE


def existing_topics(kafka: Kafka, names: Sequence[str], timeout: float) -> list[TopicResult]:
    """Returns the topics of a cluster that makes none, in the order of `names`; `timeout` is in seconds. Raises Refused if
    one is missing or the brokers refuse this client, Unreachable if no broker answers."""
    existing = Topics(settings_of(kafka)).partitions(Deadline(timeout))
    missing = [name for name in names if name not in existing]
    if missing:
        raise Refused(f"topics that do not exist: {', '.join(missing)}: {fix_of_missing(kafka)}")
    return [TopicResult(name, "exists", existing[name]) for name in names]


def describe(
    client: "Producer | AdminClient",
    topic: str,
    timeout: float,
    complaints: Complaints | None = None,
    settings: Mapping[str, Any] | None = None,
    create: str = CREATE,
) -> int:
    """Returns how many partitions the topic has; `timeout` in seconds. A broker that makes topics on first use makes it
    now.

    `complaints` is the client's error callback, the only source for why no broker answers; with the client's `settings`,
    listeners that do not answer it are looked at. `create`: the fix for a missing topic. Raises Refused if the topic does
    not exist or may not be seen, or the brokers refuse this client; Unreachable if no broker answers. Serves the client's
    callbacks while it waits.
    """
    deadline = Deadline(timeout)
    appear = Deadline(min(timeout, _APPEAR_SECONDS))
    while True:
        sentence = f"topic {topic!r} cannot be looked up"
        found = _metadata(client, topic, deadline, complaints, settings or {}, sentence).topics[topic]
        if found.error is None:
            return len(found.partitions)
        if found.error.name() not in {"UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"}:
            raise classified(found.error, f"topic {topic!r} cannot be used")
        if appear.expired:
            raise Refused(f"topic {topic!r} does not exist: {create}")
        client.poll(_LEAST_SECONDS)


def _metadata(
    client: "Producer | AdminClient",
    topic: str | None,
    deadline: Deadline,
    complaints: Complaints | None,
    settings: Mapping[str, Any],
    sentence: str,
) -> "ClusterMetadata":
    """Returns what the cluster says of the topic; None: of all. Errors begin with `sentence`, and come as soon as it is
    clear that waiting does not help."""
    from confluent_kafka import KafkaException

    seconds = _FIRST_SECONDS
    while True:
        try:
            waits = max(_LEAST_SECONDS, min(seconds, deadline.remaining()))
            return client.list_topics(timeout=waits) if topic is None else client.list_topics(topic, waits)
        except KafkaException as failed:
            client.poll(0)
            error: KafkaError = failed.args[0]
            if unanswered(error):
                if seconds == _FIRST_SECONDS:
                    _look_at_listeners(settings, sentence)
                error = complaints.reason(error) if complaints is not None else error
            if lasting(error) or not unanswered(failed.args[0]) or deadline.expired:
                raise classified(error, sentence) from failed
            seconds *= 2


def _look_at_listeners(settings: Mapping[str, Any], sentence: str) -> None:
    """Raises Mismatched if the listeners are for other clients, of which librdkafka only says that a connection ended;
    Unreachable while another one, which is not reached now, can be for us."""
    security = Security.of(settings)
    looks = looks_at(str(settings.get("bootstrap.servers", "")), security.speech, _LOOK_SECONDS)
    other = wrong_kind(looks, security)
    if other is not None:
        certain = all(look.speaks is not None for look in looks)
        raise (Mismatched if certain else Unreachable)(f"{sentence}: {other[0]}; {other[1]}")


class TopicMaker:
    """A producer that is asked about topics, and remembers why no broker answers. Its questions make a topic if the
    broker allows that; those of an admin client or a consumer do not."""

    def __init__(self, settings: Mapping[str, Any], *, create: str = CREATE) -> None:
        """`settings` and errors as for `new_producer`, `create` as for `describe`."""
        self._complaints = Complaints()
        self._settings = settings
        self._create = create
        self._producer = new_producer(settings, error_cb=self._complaints)

    def describe(self, topic: str, timeout: float) -> int:
        """As `describe` above."""
        return describe(self._producer, topic, timeout, self._complaints, self._settings, self._create)


class Topics:
    """An admin client, which remembers why no broker answers. Its questions make no topic."""

    def __init__(self, settings: Mapping[str, Any], *, create: str = CREATE) -> None:
        """`settings` and errors as for `new_admin`, `create` as for `describe`."""
        self._complaints = Complaints()
        self._settings = settings
        self._create = create
        self._client = new_admin(settings, error_cb=self._complaints)

    def partitions(self, deadline: Deadline, sentence: str = "Kafka does not answer") -> dict[str, int]:
        """Returns topic → number of partitions, for all topics that this client may see. Errors begin with `sentence`."""
        found = _metadata(self._client, None, deadline, self._complaints, self._settings, sentence)
        return {name: len(topic.partitions) for name, topic in found.topics.items()}

    def describe(self, topic: str, timeout: float) -> int:
        """As `describe` above, and never makes the topic: it asks for all of them, as a question about one can make it."""
        deadline, appear = Deadline(timeout), Deadline(min(timeout, _APPEAR_SECONDS))
        while (found := self.partitions(deadline, f"topic {topic!r} cannot be looked up").get(topic)) is None:
            if appear.expired:
                raise Refused(f"topic {topic!r} does not exist, or this user may not see it: {self._create}")
            self._client.poll(_LEAST_SECONDS)
        return found

    def setting(self, topic: str, name: str, timeout: float) -> str | None:
        """Returns a setting of the topic, under Kafka's own name; None if the cluster does not tell it."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin._config import ConfigResource
        from confluent_kafka.admin._resource import ResourceType

        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            asked = self._client.describe_configs([resource], request_timeout=timeout)[resource]
            return str(asked.result(timeout)[name].value)
        except (KafkaException, KeyError, TimeoutError):
            return None

    def grow(self, topic: str, partitions: int, timeout: float) -> None:
        """Makes the topic's partitions so many in all, unless another client has done that meanwhile. Raises Refused or
        Unreachable."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]  # missing from __all__

        seconds = max(_LEAST_SECONDS, timeout)
        wanted = [NewPartitions(topic, partitions)]
        try:
            self._client.create_partitions(wanted, operation_timeout=seconds, request_timeout=seconds)[topic].result()
        except KafkaException as failed:
            if failed.args[0].name() != "INVALID_PARTITIONS":
                raise classified(failed.args[0], f"topic {topic!r} was not given more partitions") from failed

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
