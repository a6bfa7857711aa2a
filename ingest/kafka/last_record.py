"""The last committed record of a key, from the end of its partition."""

from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ingest.config import Kafka
from ingest.errors import Unreachable
from ingest.kafka.client import new_consumer, settings
from ingest.kafka.complaints import Complaints, classified
from ingest.timing import Deadline

TAIL: Final = 50
"""How far before the end reading begins. Without a record of the key there, it begins ten times as far."""
_LEAST_SECONDS = 0.1


class Found(NamedTuple):
    value: bytes | None
    """None: the key was deleted."""
    offset: int


def last_record(kafka: Kafka, topic: str, partition: int, key: bytes, seconds: float) -> Found | None:
    """Returns the record; None if the partition has none of this key.

    Everything that is committed when this begins counts, also behind other clients' open transactions: it waits for their end,
    up to `seconds` for all. Raises Refused or Unreachable.
    """
    deadline = Deadline(seconds)
    everything = _consumer(kafka, "read_uncommitted")
    try:
        # A reader of committed records is told the end of those, which an open transaction holds back.
        low, high = everything.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=max(_LEAST_SECONDS, deadline.remaining())
        )
    except KafkaException as failed:
        raise classified(failed.args[0], f"the ends of {topic}[{partition}] are not known") from failed
    finally:
        everything.close()
    consumer = _consumer(kafka, "read_committed")
    try:
        distance = TAIL
        while True:
            start = max(low, high - distance)
            found = _read(consumer, TopicPartition(topic, partition, start), high, key, deadline)
            if found is not None or start <= low:
                return found
            distance *= 10
    finally:
        consumer.close()


def _read(consumer: Consumer, start: TopicPartition, end: int, key: bytes, deadline: Deadline) -> Found | None:
    found: Found | None = None
    place, trouble = start.offset, "an open transaction of another client holds back what comes after it"
    consumer.assign([start])
    while place < end:
        if deadline.expired:
            raise Unreachable(
                f"{start.topic}[{start.partition}] was read up to {place} of {end} in {deadline.seconds:g} s: {trouble}"
            )
        for message in consumer.consume(500, _LEAST_SECONDS):
            error, offset = message.error(), message.offset() or 0
            if error is None:
                place = offset + 1
                if message.key() == key:
                    found = Found(message.value(), offset)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = max(place, offset)  # markers of transactions are no records
            elif error.code() == KafkaError._TRANSPORT or error.retriable():
                trouble = error.str()
            else:
                raise classified(error, f"{start.topic}[{start.partition}] cannot be read")
    return found


def _consumer(kafka: Kafka, isolation: str) -> Consumer:
    chosen: dict[str, Any] = {
        **settings(kafka),
        "group.id": "ingest-positions",  # librdkafka wants one; nothing joins or commits
        "isolation.level": isolation,
        "enable.partition.eof": True,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
    }
    return new_consumer(chosen, error_cb=Complaints())
