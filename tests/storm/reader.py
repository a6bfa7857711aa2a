"""A reader of the topic that knows nothing of the service: a plain consumer that sees what is committed."""

import re
import threading
import time
import uuid
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.demo.audit import Audit

_NUMBER = re.compile(rb'counter\\*":(\d+)')
"""In a simulated device's body, also where that is text in a record's JSON."""
_PARTITION = re.compile(rb'"partition":"(\d+)"')
_AT_ONCE = 1_000
_WAIT_SECONDS = 0.2
_METADATA_SECONDS = 60.0


class Reader:
    """Counts the topic from its beginning. `start`, `finish` to read while it grows, on a thread; or `read_to_end`."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.audit = Audit()
        self.silences: dict[str, float] = {}
        """Partition of the hub → the longest time without a new event of it, in seconds, once there was one."""
        self.errors: list[str] = []
        """What Kafka said that no reader should hear."""
        self._came: dict[str, float] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"storm-{uuid.uuid4().hex}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=_METADATA_SECONDS).topics[topic].partitions
        self._assigned = [TopicPartition(topic, partition, 0) for partition in partitions]
        self._consumer.assign(self._assigned)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._ends.set()
        self._thread.join()
        self._consumer.close()

    def read_to_end(self, seconds: float) -> None:
        """Counts all that is committed now, and closes. Raises AssertionError if that takes longer than `seconds`."""
        deadline, at_end = time.monotonic() + seconds, set[int]()
        while len(at_end) < len(self._assigned):
            assert time.monotonic() < deadline, f"after {seconds:g} s the topic is read to its end in {sorted(at_end)}"
            at_end |= self._take(self._consumer.consume(_AT_ONCE, _WAIT_SECONDS))
        self._consumer.close()

    def _read(self) -> None:
        while not self._ends.is_set():
            self._take(self._consumer.consume(_AT_ONCE, _WAIT_SECONDS))

    def _take(self, messages: Sequence[Message]) -> set[int]:
        """Returns the partitions of the topic whose end was reached."""
        now, at_end = time.monotonic(), set[int]()
        for message in messages:
            error, key, value = message.error(), message.key(), message.value()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    at_end.add(message.partition() or 0)
                elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    self.errors.append(str(error))
                continue
            if not isinstance(key, bytes) or not isinstance(value, bytes) or (number := _NUMBER.search(value)) is None:
                self.audit.see_unreadable()
                continue
            before = self.audit.arrived
            self.audit.see(key.decode(), int(number[1]))
            if self.audit.arrived > before and (partition := _PARTITION.search(value)) is not None:
                self._new(partition[1].decode(), now)
        return at_end

    def _new(self, partition: str, now: float) -> None:
        before = self._came.get(partition, now)
        if now - before > self.silences.get(partition, 0.0):
            self.silences[partition] = now - before
        self._came[partition] = now
