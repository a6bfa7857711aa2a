"""How large a record a topic takes."""

from ingest.config import Kafka, event_hubs
from ingest.errors import IngestError
from ingest.kafka.client import new_admin, settings
from ingest.kafka.complaints import lasting

ATTEMPTS = 2
"""A process that does not learn the limit goes without it until it ends."""


def max_record_bytes(kafka: Kafka, topic: str, timeout: float) -> int | None:
    """Returns the topic's `max.message.bytes`; None if it may not be read, no broker answers within `timeout` seconds, or
    the question fails twice. Event Hubs has one limit for all, and is not asked."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin._config import ConfigResource
    from confluent_kafka.admin._resource import ResourceType

    if kafka.kind == "event_hubs":
        return event_hubs.LARGEST_RECORD
    client = new_admin(settings(kafka))
    resource = ConfigResource(ResourceType.TOPIC, topic)
    for _ in range(ATTEMPTS):
        try:
            entries = client.describe_configs([resource], request_timeout=timeout)[resource].result(timeout)
            return int(entries["max.message.bytes"].value)
        except KafkaException as failed:
            if lasting(failed.args[0]):
                return None
        except (TimeoutError, KeyError, ValueError, IngestError):
            return None
    return None
