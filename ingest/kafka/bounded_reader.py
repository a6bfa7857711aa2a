"""Reads a topic from given offsets to its present ends, for tasks that must finish while the topic grows."""

import logging
from collections.abc import Callable, Iterator, Mapping
from time import sleep
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingest.errors import Unreachable
from ingest.kafka.unreadable import Unreadable
from ingest.timing import Deadline

CONSUMER: Mapping[str, str | int | bool] = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    # Of what is queued, librdkafka would only look after a second whether there is room for more.
    "fetch.queue.backoff.ms": 10,
}
"""Settings that the consumer needs; the user's own settings go on top."""

_EARLIEST, _LATEST = -2, -1
"""What stands for a partition's ends where Kafka's protocol asks for the offset of a time."""
_LEAST_SECONDS = 0.1
"""librdkafka rejects a time-out of 0."""

_NO_LEADER_YET = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)
"""What a broker says for a while of a partition that was made just now, or whose leader has gone."""
_AGAIN_SECONDS = 0.1

_FETCH = 5_000
_WAIT_SECONDS = 0.1

logger = logging.getLogger(__name__)


class Ends(NamedTuple):
    """Offsets of one partition."""

    low: int
    """The oldest record that Kafka keeps."""
    high: int
    """Where the next record will be written."""


def ends_of(consumer: Consumer, topic: str, partitions: int, deadline: Deadline) -> dict[int, Ends]:
    """Returns the ends of partitions 0 to `partitions` - 1, by two questions about all of them. Raises Unreachable."""
    lows = _offsets(consumer, topic, partitions, _EARLIEST, deadline)
    highs = _offsets(consumer, topic, partitions, _LATEST, deadline)
    return {partition: Ends(low, highs[partition]) for partition, low in lows.items()}


def offsets_at(
    consumer: Consumer, topic: str, ends: Mapping[int, Ends], milliseconds: int, deadline: Deadline
) -> dict[int, int]:
    """Returns for each partition the offset of the first record with this time or a later one, else its end. Raises
    Unreachable."""
    found = _offsets(consumer, topic, len(ends), max(0, milliseconds), deadline)
    return {partition: offset if offset >= 0 else ends[partition].high for partition, offset in found.items()}


def _offsets(consumer: Consumer, topic: str, partitions: int, time: int, deadline: Deadline) -> dict[int, int]:
    asked = [TopicPartition(topic, partition, time) for partition in range(partitions)]
    while True:
        try:
            found = consumer.offsets_for_times(asked, timeout=max(_LEAST_SECONDS, deadline.remaining()))
            for each in found:
                if each.error is not None:
                    raise KafkaException(each.error)
            return {each.partition: each.offset for each in found}
        except KafkaException as failed:
            if failed.args[0].code() not in _NO_LEADER_YET or deadline.expired:
                raise Unreachable(f"topic {topic} cannot be read: {failed.args[0].str()}") from failed
        sleep(_AGAIN_SECONDS)


class BoundedReader:
    """Reads the records of one topic between two offsets of each partition: all `to_the_end`, or `poll` until `done`."""

    def __init__(self, consumer: Consumer, topic: str, spans: Mapping[int, tuple[int, int]]) -> None:
        """`spans`: partition → first offset, and the offset to end before. This object owns the consumer."""
        self.next = {partition: start for partition, (start, _) in spans.items()}
        """Partition → the offset before which everything was returned."""
        self.trouble = "no record came"
        self._ends = {partition: end for partition, (start, end) in spans.items() if start < end}
        self._unreadable = {partition: Unreadable() for partition in self._ends}
        self._topic = topic
        self._consumer = consumer
        consumer.assign([TopicPartition(topic, partition, self.next[partition]) for partition in self._ends])

    @property
    def done(self) -> bool:
        return not self._ends

    def to_the_end(self, deadline: Deadline, *, go_on: Callable[[], bool] = lambda: True) -> Iterator[Message]:
        """Yields all records, in order per partition. Asks `go_on` several times a second, and stops when that is False.
        Raises Unreachable if the end is not reached by the deadline."""
        while not self.done and go_on():
            if deadline.expired:
                raise Unreachable(
                    f"the end of topic {self._topic} was not reached in {deadline.seconds:g} s: {self.trouble}"
                )
            yield from self.poll(_FETCH, _WAIT_SECONDS)

    def poll(self, count: int, seconds: float) -> list[Message]:
        """Returns up to `count` records, in order per partition; waits up to `seconds` for them."""
        records = []
        for message in self._consumer.consume(count, seconds):
            partition, offset, error = message.partition(), message.offset(), message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self.trouble = error.str()
                if partition in self._ends and self._unreadable[partition].is_certain(error, offset or 0):
                    self._pass_over(partition, offset or 0)
                continue
            end = self._ends.get(-1 if partition is None else partition)
            if end is None or partition is None or offset is None:
                continue
            if error is None and offset < end:
                records.append(message)
                self.next[partition] = offset + 1
            # The last offsets can be without a record (compaction, transactions): then only this shows the end.
            if error is not None or offset + 1 >= end:
                self.next[partition] = self._ends.pop(partition)
        return records

    def _pass_over(self, partition: int, offset: int) -> None:
        """Skips what stands at the next offset and cannot be read; `offset` is that of its batch."""
        at = max(offset, self.next[partition])
        logger.warning("%s[%d] at %d cannot be read and is passed over: %s.", self._topic, partition, at, self.trouble)
        self.next[partition] = at + 1
        if at + 1 >= self._ends[partition]:
            del self._ends[partition]
        else:
            self._consumer.seek(TopicPartition(self._topic, partition, at + 1))
