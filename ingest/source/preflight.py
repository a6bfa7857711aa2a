"""What must be true of Kafka and its schema registry before events are taken from the hub."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ingest.config import Config
from ingest.errors import Refused
from ingest.kafka.admin import TopicMaker, fix_of_missing
from ingest.kafka.client import settings
from ingest.kafka.position_topic import Room, make_room, needed
from ingest.kafka.record_limit import max_record_bytes
from ingest.process.child import Child
from ingest.process.waiting import wait_until_available
from ingest.source.delivery.schema import schema_id
from ingest.source.formats import WITH_SCHEMA

ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Topics:
    """What was found out about the topics."""

    max_record_bytes: int | None
    """The telemetry topic's limit, unless `message.max.bytes` is configured; None if the cluster does not report it."""
    partitions: int
    """Of the telemetry topic."""
    schema_id: int | None = None
    """The schema registry's id for the schema of the records; None if the format needs no registry."""
    dead_letter_bytes: int | None = None
    """The dead-letter topic's limit likewise, where one producer writes to both topics (exactly once); None elsewhere."""
    positions: int = 0
    """Partitions of the topic of positions; 0: not asked."""


def check_topics(config: Config) -> Topics:
    """Checks that both topics exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable; takes
    some 15 s."""
    cluster = TopicMaker(settings(config.kafka), create=fix_of_missing(config.kafka))
    partitions = cluster.describe(config.source.topic, ANSWER_SECONDS)
    cluster.describe(config.source.dead_letter_topic, ANSWER_SECONDS)
    own_limit = config.kafka.librdkafka.get("message.max.bytes")
    if own_limit is not None:
        return Topics(int(str(own_limit)), partitions)

    def limit(topic: str) -> int | None:
        return max_record_bytes(config.kafka, topic, ANSWER_SECONDS)

    letters = limit(config.source.dead_letter_topic) if config.source.delivery == "exactly_once" else None
    return Topics(limit(config.source.topic), partitions, dead_letter_bytes=letters)


def places(config: Config, partitions: Iterable[str], *, grows: bool = True) -> Room:
    """Gives the topic of positions, if one is needed, a place for each of these partitions of the hub. `grows`: whether it may
    change the topic. Raises Refused or Unreachable."""
    if not config.needs_position_topic:
        return Room(0)
    return make_room(config.kafka, config.source.position_topic, needed(partitions), ANSWER_SECONDS, grows=grows)


def has_place(child: Child, topics: Topics, partition: str) -> bool:
    """Returns whether the topic of positions has a place for this partition of the hub; False if a stop is requested first.
    Asks Kafka unless `topics` says so already. Raises Refused if there is none."""
    if topics.positions >= needed([partition]):
        return True
    config = child.task.config
    doing = "looking at the topic of positions"
    room = wait_until_available(child, doing, lambda: places(config, [partition], grows=False))
    if room is not None and room.wrong is not None:
        raise Refused(room.wrong)
    return room is not None


def with_schema(child: Child, topics: Topics) -> Topics | None:
    """Returns the topics, with the schema's id from the registry if the format needs one; None if a stop is requested
    first. Raises Refused."""
    config = child.task.config
    if config.source.format not in WITH_SCHEMA:
        return topics
    doing = f"asking the schema registry at {config.kafka.schema_registry.url}"
    found = wait_until_available(child, doing, lambda: schema_id(config))
    return None if found is None else replace(topics, schema_id=found)


def usable_topics(child: Child) -> Topics | None:
    """Waits for Kafka, and returns the topics as a partition process needs them; None if a stop is requested first. Raises
    ConfigError or Refused."""
    config = child.task.config
    doing = f"connecting to Kafka at {config.kafka.bootstrap_servers}"
    found = wait_until_available(child, doing, lambda: check_topics(config))
    return None if found is None else with_schema(child, found)
