"""Reading to the end of a topic of librdkafka's mock cluster."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from ingest.errors import Unreachable
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, Ends, ends_of
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch

PATIENCE = 60.0


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("t", 3)
        yield made


@pytest.fixture
def consumer(cluster: MockCluster) -> Iterator[Consumer]:
    made = Consumer({**CONSUMER, "bootstrap.servers": cluster.bootstrap, "group.id": "g"})
    yield made
    made.close()


def write(cluster: MockCluster, partition: int, *values: bytes, batch: int = 10_000) -> None:
    """`batch`: the most records that go together."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "batch.num.messages": batch})
    for value in values:
        producer.produce("t", value, partition=partition)
    assert producer.flush(PATIENCE) == 0


def read(stretch: BoundedReader) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for message in stretch.to_the_end(Deadline(PATIENCE)):
        value, partition = message.value(), message.partition()
        assert isinstance(value, bytes)
        assert partition is not None
        found.append((partition, value))
    assert stretch.done
    return sorted(found)


def test_from_the_given_offsets_to_the_ends(cluster: MockCluster, consumer: Consumer) -> None:
    write(cluster, 0, b"a", b"b", b"c")
    write(cluster, 2, b"d", b"e")
    ends = ends_of(consumer, "t", 3, Deadline(PATIENCE))
    assert ends == {0: Ends(0, 3), 1: Ends(0, 0), 2: Ends(0, 2)}
    write(cluster, 0, b"later")
    write(cluster, 1, b"later")
    stretch = BoundedReader(consumer, "t", {0: (1, 3), 1: (0, 0), 2: (0, 2)})
    assert read(stretch) == [(0, b"b"), (0, b"c"), (2, b"d"), (2, b"e")]
    assert stretch.next == {0: 3, 1: 0, 2: 2}


def test_the_end_of_the_partition_ends_a_stretch_whose_last_offsets_hold_no_record(
    cluster: MockCluster, consumer: Consumer
) -> None:
    write(cluster, 0, b"a", b"b")
    stretch = BoundedReader(consumer, "t", {0: (0, 5)})
    assert read(stretch) == [(0, b"a"), (0, b"b")]
    assert stretch.next == {0: 5}


def test_a_full_queue_is_no_reason_to_wait(cluster: MockCluster) -> None:
    """By itself librdkafka asks for more a second after its queue was full, and here that is full after each answer."""
    write(cluster, 0, *(b"%1000d" % number for number in range(1_200)), batch=10)
    small = {"queued.min.messages": 1, "queued.max.messages.kbytes": 1, "max.partition.fetch.bytes": 10_000}
    consumer = Consumer({**CONSUMER, **small, "bootstrap.servers": cluster.bootstrap, "group.id": "g"})
    try:
        stretch, deadline = BoundedReader(consumer, "t", {0: (0, 1_200)}), Deadline(PATIENCE / 4)
        assert len(list(stretch.to_the_end(deadline))) == 1_200
    finally:
        consumer.close()


def test_nothing_to_read(consumer: Consumer) -> None:
    assert BoundedReader(consumer, "t", {0: (4, 4)}).done


def test_no_answer(cluster: MockCluster, consumer: Consumer) -> None:
    cluster.set_down(1)
    with pytest.raises(Unreachable, match="topic t cannot be read"):
        ends_of(consumer, "t", 1, Deadline(0.2))


class Answering:
    """A consumer that answers for each partition its number times ten, or ten more for the end."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self.asked = 0
        self._error = error

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        self.asked += 1
        return [self._answer(each.partition, each.offset) for each in asked]

    def _answer(self, partition: int, time: int) -> TopicPartition:
        offset = partition * 10 + (10 if time == -1 else 0)
        return cast(TopicPartition, SimpleNamespace(partition=partition, offset=offset, error=self._error))


def test_all_partitions_are_asked_for_at_once() -> None:
    consumer = Answering()
    ends = ends_of(cast(Consumer, consumer), "t", 32, Deadline(PATIENCE))
    assert ends == {partition: Ends(partition * 10, partition * 10 + 10) for partition in range(32)}
    assert consumer.asked == 2


def test_a_partition_without_an_answer() -> None:
    consumer = Answering(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    with pytest.raises(Unreachable, match=r"topic t cannot be read: .*[Ll]eader not available"):
        ends_of(cast(Consumer, consumer), "t", 2, Deadline(0.2))


def test_a_partition_that_has_no_leader_yet_is_asked_again() -> None:
    class Elected(Answering):
        def _answer(self, partition: int, time: int) -> TopicPartition:
            self._error = None if self.asked > 2 else self._error
            return super()._answer(partition, time)

    consumer = Elected(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    assert ends_of(cast(Consumer, consumer), "t", 1, Deadline(PATIENCE)) == {0: Ends(0, 10)}
    assert consumer.asked == 4


class Record:
    """What a stretch looks at of a record."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def error(self) -> None: ...


class Compacted:
    """A consumer whose partition 0 has no records at 1 to 4."""

    def assign(self, partitions: object) -> None: ...

    def consume(self, count: int, seconds: float) -> list[Record]:
        return [Record(0), Record(5)]


def test_a_record_after_the_end_is_not_given_out_when_those_before_it_are_gone() -> None:
    stretch = BoundedReader(cast(Consumer, Compacted()), "t", {0: (0, 3)})
    assert [message.offset() for message in stretch.poll(10, 0.1)] == [0]
    assert stretch.next == {0: 3}
    assert stretch.done


def test_what_cannot_be_read_is_passed_over(cluster: MockCluster, consumer: Consumer) -> None:
    write(cluster, 0, b"a")
    append_batch(cluster.bootstrap, "t", b"no snappy", records=2, attributes=2)
    write(cluster, 0, b"b")
    append_batch(cluster.bootstrap, "t", b"no snappy", records=1, attributes=2)
    stretch = BoundedReader(consumer, "t", {0: (0, 5)})
    assert read(stretch) == [(0, b"a"), (0, b"b")]
    assert stretch.next == {0: 5}


class Empty:
    """A consumer that gets nothing."""

    def assign(self, partitions: object) -> None: ...

    def consume(self, count: int, seconds: float) -> list[Record]:
        return []


def test_an_end_that_is_not_reached_is_told_unless_nobody_waits_for_it() -> None:
    stretch = BoundedReader(cast(Consumer, Empty()), "t", {0: (0, 3)})
    with pytest.raises(Unreachable, match="the end of topic t was not reached in 0 s: no record came"):
        list(stretch.to_the_end(Deadline(0)))
    asked = iter([True, True, False])
    assert list(stretch.to_the_end(Deadline(PATIENCE), go_on=lambda: next(asked))) == []
    assert not stretch.done
