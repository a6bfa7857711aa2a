"""One topic as it grows, read without a trace: no group is joined, and no offset committed."""

import logging
from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, Ends, ends_of, offsets_at
from ingest.kafka.unreadable import Unreadable
from ingest.timing import Deadline

SETTINGS: Final[Mapping[str, object]] = {
    **CONSUMER,
    "queued.max.messages.kbytes": 16_384,
    # A broker answers a question for a partition's end only after the fetch that waits before it.
    "fetch.wait.max.ms": 50,
    # librdkafka wants a group; nobody joins it.
    "group.id": "ingest-shadow",
}

logger = logging.getLogger(__name__)


class GrowingTopic:
    """`tail` or `offsets_at` for where to begin, then `start`, and `poll` as long as wanted."""

    def __init__(self, consumer: Consumer, name: str, partitions: int) -> None:
        self.name = name
        self.trouble = "no record came"
        self.lost = 0
        """Records that nobody can read, and that were passed over."""
        self._consumer = consumer
        self._partitions = partitions
        self._next: dict[int, int] = {}
        self._unreadable = {partition: Unreadable() for partition in range(partitions)}

    def ends(self, deadline: Deadline) -> dict[int, Ends]:
        """Without what a transaction holds back. Raises Unreachable, as the next two do."""
        return ends_of(self._consumer, self.name, self._partitions, deadline)

    def offsets_at(self, milliseconds: int, deadline: Deadline) -> dict[int, int]:
        """Of each partition the first record with this time or a later one."""
        return offsets_at(self._consumer, self.name, self.ends(deadline), milliseconds, deadline)

    def tail(self, ends: Mapping[int, Ends], count: int, deadline: Deadline) -> list[Message]:
        """The last records of each partition, up to `count`."""
        spans = {partition: (max(low, high - count), high) for partition, (low, high) in ends.items()}
        return list(BoundedReader(self._consumer, self.name, spans).to_the_end(deadline))

    def start(self, offsets: Mapping[int, int]) -> None:
        """Begins at these offsets."""
        self._next = dict(offsets)
        self._consumer.assign([TopicPartition(self.name, *each) for each in offsets.items()])

    def poll(self, count: int, seconds: float) -> list[Message]:
        """Up to `count` records; waits up to `seconds` for the first."""
        records = []
        for message in self._consumer.consume(count, seconds):
            partition, offset, error = message.partition(), message.offset(), message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self.trouble = error.str()
                if partition in self._unreadable and self._unreadable[partition].is_certain(error, offset or 0):
                    self._pass_over(partition, offset or 0)
                continue
            if partition is None or offset is None:
                continue
            if error is None:
                records.append(message)
                self._next[partition] = offset + 1
            else:  # the last offsets can hold no record, but a transaction's end: then only this tells
                self._next[partition] = max(offset, self._next[partition])
        return records

    def has_come_to(self, ends: Mapping[int, Ends]) -> bool:
        """Whether all before these ends has been given out."""
        return all(self._next[partition] >= end.high for partition, end in ends.items())

    def _pass_over(self, partition: int, offset: int) -> None:
        at = max(offset, self._next[partition])
        logger.warning("%s[%d] at %d cannot be read and is passed over: %s.", self.name, partition, at, self.trouble)
        self.lost += 1
        self._next[partition] = at + 1
        self._consumer.seek(TopicPartition(self.name, partition, at + 1))
