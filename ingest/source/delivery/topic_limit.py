"""How large a record the telemetry topic takes now: its owner can change that while ingest runs."""

from ingest.config import Config
from ingest.kafka.record_limit import max_record_bytes

LIMIT_SECONDS = 5.0
"""Time-out for asking."""


def topic_limit(config: Config) -> int | None:
    """Returns the topic's limit in bytes, or what the user allows if that is less; None if the cluster does not tell."""
    found = max_record_bytes(config.kafka, config.source.topic, LIMIT_SECONDS)
    own = config.kafka.librdkafka.get("message.max.bytes")
    return found if found is None or own is None else min(found, int(str(own)))
