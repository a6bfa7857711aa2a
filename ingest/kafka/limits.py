"""How large a record a topic takes."""

from collections.abc import Mapping
from typing import Any

from ingest.errors import IngestError


def max_record_bytes(settings: Mapping[str, Any], topic: str, timeout: float) -> int | None:
    """The topic's `max.message.bytes`; None when it may not be read or no broker answers within `timeout` seconds."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._config import ConfigResource
    from confluent_kafka.admin._resource import ResourceType

    client = AdminClient({"log_level": 2, **settings})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = client.describe_configs([resource], request_timeout=timeout)[resource].result(timeout)
        return int(entries["max.message.bytes"].value)
    except (KafkaException, KeyError, ValueError, TimeoutError, IngestError):
        return None
