"""The last committed record of a key, from the end of its partition."""

import threading
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition

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


class TailReader:
    """A reader of one partition's end. Its client connects as soon as it is made: what it is made before costs the read less."""

    def __init__(self, kafka: Kafka, topic: str, partition: int) -> None:
        """Raises ConfigError or Unreachable as `new_consumer`."""
        self._topic = topic
        self._partition = partition
        chosen: dict[str, Any] = {
            **settings(kafka),
            "group.id": "ingest-positions",  # librdkafka wants one; nothing joins or commits
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            # Only the leader knows the end: a follower, which a rack can ask for, may lack the last record.
            "client.rack": "",
        }
        self._consumer = new_consumer(chosen, error_cb=Complaints())

    def last(self, key: bytes, seconds: float) -> Found | None:
        """Returns the record; None if the partition has none of this key.

        Everything that is committed when this begins counts, also behind other clients' open transactions: it waits for their
        end, up to `seconds` for all. Raises Refused or Unreachable; it can be called again.
        """
        deadline = Deadline(seconds)
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, self._partition), timeout=max(_LEAST_SECONDS, deadline.remaining())
            )
        except KafkaException as failed:
            raise classified(failed.args[0], f"the ends of {self._topic}[{self._partition}] are not known") from failed
        # What is committed ends in front of the first open transaction; how far the partition goes, the first answer says.
        end, distance = _End(high), TAIL
        while True:
            start = max(low, high - distance)
            found = self._read(start, end, key, deadline)
            if found is not None or start <= low:
                return found
            distance *= 10

    def close(self) -> None:
        """Returns at once: the client takes a while to end, and does that on a thread of its own."""
        threading.Thread(target=self._consumer.close, name="tail-reader-close", daemon=True).start()

    def _read(self, start: int, end: "_End", key: bytes, deadline: Deadline) -> Found | None:
        found: Found | None = None
        trouble = "an open transaction of another client holds back what comes after it"
        place, here = start, TopicPartition(self._topic, self._partition, start)
        self._consumer.assign([here])
        while not end.known or place < end.offset:
            if deadline.expired:
                where = f"{self._topic}[{self._partition}]"
                raise Unreachable(
                    f"{where} was read up to {place} of {end.offset} in {deadline.seconds:g} s: {trouble}"
                )
            message = self._consumer.poll(min(_LEAST_SECONDS, deadline.remaining()))
            if message is None:
                continue
            error, offset = message.error(), message.offset() or 0
            if error is None:
                place = offset + 1
                if message.key() == key:
                    found = Found(message.value(), offset)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = max(place, offset)  # markers of transactions are no records
            elif error.code() == KafkaError._TRANSPORT or error.retriable():
                trouble = error.str()
                continue
            else:
                raise classified(error, f"{self._topic}[{self._partition}] cannot be read")
            if not end.known:
                end.take(self._consumer.get_watermark_offsets(here, cached=True)[1])
        return found


class _End:
    """Where everything ends that was committed when the reading began."""

    def __init__(self, offset: int) -> None:
        self.known = False
        self.offset = offset
        """At least so far."""

    def take(self, offset: int) -> None:
        """Takes the broker's word, uncommitted records included."""
        self.known, self.offset = True, max(self.offset, offset)
