"""What a topic holds of the first events of a partition, to be compared between those who wrote it."""

import json
import time
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.clocked import TOPIC_PARTITIONS

READ_SECONDS = 60.0


class Written(NamedTuple):
    """A record as an application sees it: the order of members is nobody's business."""

    key: bytes
    timestamp_ms: int
    value: Any


def first_records(bootstrap: str, topic: str, events: int) -> dict[int, Written]:
    """The records of a partition's first `events` events, by sequence number. Raises AssertionError when some do not come."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(TOPIC_PARTITIONS)])
        found: dict[int, Written] = {}
        deadline = time.monotonic() + READ_SECONDS
        while len(found) < events:
            assert time.monotonic() < deadline, f"{len(found)} of the first {events} events are in {topic}"
            for message in consumer.consume(events, timeout=1):
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert value is not None
                record = json.loads(value)
                if record["sequenceNumber"] < events:
                    found[record["sequenceNumber"]] = Written(key, message.timestamp()[1], record)
        return found
    finally:
        consumer.close()
