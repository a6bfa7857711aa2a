"""What must be true of Kafka and its schema registry before events are taken from the hub."""

from dataclasses import dataclass

from ingest.config import Config
from ingest.kafka.admin import TopicMaker
from ingest.kafka.client import settings
from ingest.kafka.record_limit import max_record_bytes
from ingest.source.delivery.schema import schema_id

ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Topics:
    """What was found out about the topics."""

    max_record_bytes: int | None
    """Of the telemetry topic, unless `message.max.bytes` is configured; None when the cluster does not tell."""
    partitions: int
    """Of the telemetry topic."""
    schema_id: int | None = None
    """What the schema registry knows the schema of the records by; None where the format needs no registry."""


def check_topics(config: Config) -> Topics:
    """Both topics exist, or the broker makes them now, and so does the schema, if there is one. Raises ConfigError, Refused or
    Unreachable; takes up to some 15 s, and with a schema registry 20 more."""
    chosen = settings(config.kafka)
    cluster = TopicMaker(chosen)
    partitions = cluster.describe(config.source.topic, ANSWER_SECONDS)
    cluster.describe(config.source.dead_letter_topic, ANSWER_SECONDS)
    schema = schema_id(config)
    own_limit = config.kafka.librdkafka.get("message.max.bytes")
    if own_limit is not None:
        return Topics(int(str(own_limit)), partitions, schema)
    return Topics(max_record_bytes(chosen, config.source.topic, ANSWER_SECONDS), partitions, schema)
