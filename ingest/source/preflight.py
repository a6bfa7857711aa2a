"""What must be true of Kafka before events are taken from the hub."""

from dataclasses import dataclass

from ingest.config import Config
from ingest.kafka.admin import TopicMaker
from ingest.kafka.client import settings
from ingest.kafka.record_limit import max_record_bytes

ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Topics:
    """What was found out about the topics."""

    max_record_bytes: int | None
    """Of the telemetry topic, unless `message.max.bytes` is configured; None when the cluster does not tell."""
    partitions: int
    """Of the telemetry topic."""


def check_topics(config: Config) -> Topics:
    """Both topics exist, or the broker makes them now. Raises ConfigError, Refused or Unreachable; takes up to some 15 s."""
    chosen = settings(config.kafka)
    cluster = TopicMaker(chosen)
    partitions = cluster.describe(config.source.topic, ANSWER_SECONDS)
    cluster.describe(config.source.dead_letter_topic, ANSWER_SECONDS)
    own_limit = config.kafka.librdkafka.get("message.max.bytes")
    if own_limit is not None:
        return Topics(int(str(own_limit)), partitions)
    return Topics(max_record_bytes(chosen, config.source.topic, ANSWER_SECONDS), partitions)
