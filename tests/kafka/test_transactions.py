"""A transactional producer against Apache Kafka: every row of what can happen to a transaction, and what it becomes here."""

import contextlib
import gc
import os
import uuid
import weakref
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ingest.config import Kafka
from ingest.errors import Displaced, RestartRequired, Unreachable
from ingest.kafka import transactions
from ingest.kafka.admin import Topics
from ingest.kafka.client import settings
from ingest.kafka.last_record import TAIL, TailReader
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.records import Records
from ingest.kafka.shipment import Shipment
from ingest.kafka.transactions import END_SECONDS, Aborted, TransactionalPool
from ingest.timing import Deadline
from tests.kafka.mocked import PATIENCE
from tests.services.kafka import KafkaCluster


class Place:
    """A topic of one partition, and the pools of one transactional id."""

    def __init__(self, bootstrap: str, topic: str, **librdkafka: str) -> None:
        self.kafka = Kafka(bootstrap_servers=bootstrap, librdkafka=librdkafka)
        self.topic = topic
        self.made: list[TransactionalPool] = []

    def pool(self, name: str = "") -> TransactionalPool:
        made = TransactionalPool(self.kafka, f"ingest/{self.topic}/{name}", client_id="test")
        made.start()
        self.made.append(made)
        deadline = Deadline(PATIENCE)
        while True:
            try:
                made.initialize(2)
            except Unreachable:
                assert not deadline.expired
            else:
                return made

    def put(self, pool: TransactionalPool, *values: bytes, key: bytes = b"k") -> list[KafkaError]:
        refused: list[KafkaError] = []
        for value in values:
            assert pool.offer(
                self.topic, (key, value, None, 0), lambda error, _: refused.append(error) if error else None, 0
            )
        return refused

    def commit(self, pool: TransactionalPool, *values: bytes, key: bytes = b"k") -> None:
        pool.begin()
        self.put(pool, *values, key=key)
        until(pool)

    def committed(self) -> list[bytes | None]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
            }
        )
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        found: list[bytes | None] = []
        deadline = Deadline(PATIENCE)
        while not deadline.expired:
            message = consumer.poll(1)
            if message is not None and message.error() is not None:
                break
            if message is not None:
                found.append(message.value())
        consumer.close()
        return found


def until(pool: TransactionalPool, *, commit: bool = True) -> int:
    """Returns how many short calls it took."""
    deadline = Deadline(PATIENCE)
    calls = 1
    while not (pool.commit(0.002) if commit else pool.abort(0.002)):
        assert not deadline.expired
        calls += 1
    return calls


@pytest.fixture
def place(kafka: KafkaCluster) -> Place:
    topic = f"tx-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for made in admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "20000"})]).values():
        made.result(30)
    return Place(kafka.bootstrap, topic)


def test_what_is_committed_in_short_calls_counts_and_what_is_aborted_does_not(place: Place) -> None:
    pool = place.pool()
    done: list[Shipment] = []
    pool.begin()
    assert pool.send_all(place.topic, Records.of([(b"k", b"%d" % n, None, 0) for n in range(500)]), done.append) == 500
    place.put(pool, b"last")
    assert pool.in_flight == 501
    assert until(pool) > 1, "none of them waited for the end"
    assert pool.in_flight == 0
    assert [(one.records, one.refused) for one in done] == [(500, [])]
    pool.begin()
    place.put(pool, b"never")
    until(pool, commit=False)
    place.commit(pool, b"after")
    assert place.committed() == [*(b"%d" % n for n in range(500)), b"last", b"after"]


def test_a_successor_takes_the_place_and_what_was_open_does_not_count(place: Place) -> None:
    old = place.pool()
    place.commit(old, b"1")
    old.begin()
    place.put(old, b"zombie")
    old.flush(PATIENCE)
    new = place.pool()
    place.commit(new, b"2")
    place.put(old, b"zombie")
    with pytest.raises(Displaced, match="another one has its place"):
        until(old)
    with pytest.raises(RestartRequired):
        old.begin()
    assert place.committed() == [b"1", b"2"]


def test_a_record_that_the_broker_refuses_aborts_it_and_the_producer_goes_on(place: Place) -> None:
    """The first transaction after that can fail once more, for the sequence number of the refused record."""
    pool = place.pool()
    place.commit(pool, b"1")
    pool.begin()
    place.put(pool, b"2")
    refused = place.put(pool, os.urandom(30_000))
    with pytest.raises(Aborted) as aborted:
        until(pool)
    until(pool, commit=False)
    assert aborted.value.error is not None
    assert KafkaError.MSG_SIZE_TOO_LARGE in [error.code() for error in refused]
    assert pool.in_flight == 0
    with contextlib.suppress(Aborted):
        place.commit(pool, b"3")
    if not place.committed()[1:]:
        until(pool, commit=False)
        place.commit(pool, b"3")
    assert place.committed() == [b"1", b"3"]


def test_the_last_record_of_a_key_is_found_behind_what_others_wrote(place: Place) -> None:
    ours, others = place.pool("ours"), place.pool("others")

    # Made before everything that it reads, as a partition process makes it.
    reader = TailReader(place.kafka, place.topic, 0)

    def found(seconds: float = PATIENCE) -> bytes | str | None:
        last = reader.last(b"ours", seconds)
        return "nothing" if last is None else last.value

    assert found() == "nothing"
    place.commit(ours, b"old", b"1", key=b"ours")
    ours.begin()
    place.put(ours, b"2", key=b"ours")
    ours.flush(PATIENCE)
    until(ours, commit=False)
    assert found() == b"1", "behind it are a record that was aborted and the end of its transaction"
    place.commit(others, *(b"x" for _ in range(3 * TAIL)), key=b"others")
    assert found() == b"1"
    others.begin()
    place.put(others, b"open", key=b"others")
    others.flush(PATIENCE)
    place.commit(ours, b"3", key=b"ours")
    with pytest.raises(Unreachable, match="an open transaction of another client"):
        found(0.5)
    until(others)
    assert found() == b"3"
    ours.begin()
    ours.tombstone(place.topic, 0, b"ours")
    until(ours)
    assert found() is None
    reader.close()


def test_brokers_that_are_away_shorter_than_the_timeout_change_nothing(cluster: MockCluster) -> None:
    place = Place(cluster.bootstrap, "t")
    pool = place.pool()
    pool.begin()
    place.put(pool, b"1")
    pool.flush(PATIENCE)
    cluster.set_down(1)
    for _ in range(20):
        assert not pool.commit(0.05)
    cluster.set_up(1)
    until(pool)
    place.commit(pool, b"2")
    assert place.committed() == [b"1", b"2"]


def test_a_topic_that_is_deleted_is_not_made_again(place: Place) -> None:
    """As the broker would, with its own settings: a topic of positions must be compacted."""
    place.kafka = replace(place.kafka, librdkafka={"topic.metadata.propagation.max.ms": "4000"})
    pool = place.pool()
    place.commit(pool, b"1")
    admin = AdminClient({"bootstrap.servers": place.kafka.bootstrap_servers, "log_level": 0})
    for deleted in admin.delete_topics([place.topic]).values():
        deleted.result(30)
    pool.begin()
    refused = place.put(pool, b"2")
    deadline = Deadline(PATIENCE)
    with contextlib.suppress(Aborted, RestartRequired):
        while not refused and not pool.commit(1.0):
            assert not deadline.expired
    assert place.topic not in Topics(settings(place.kafka)).partitions(Deadline(PATIENCE))
    pool.terminate()


def test_without_a_broker_it_does_not_begin_and_is_asked_again(cluster: MockCluster) -> None:
    cluster.set_down(1)
    pool = TransactionalPool(Kafka(bootstrap_servers=cluster.bootstrap), "ingest/x", client_id="test")
    pool.start()
    with pytest.raises(Unreachable):
        pool.initialize(0.5)
    cluster.set_up(1)
    deadline = Deadline(PATIENCE)
    while not deadline.expired:
        try:
            pool.initialize(2)
        except Unreachable:
            continue
        break
    pool.begin()
    assert pool.offer("t", (b"k", b"1", None, 0), lambda *_: None)
    until(pool)


def test_what_could_not_begin_leaves_nothing_behind(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """confluent-kafka 2.16 never frees an exception that is being handled when its client raises another, as it does for the
    question why nothing could begin."""
    monkeypatch.setattr(transactions, "_LOOK_SECONDS", 0.05)
    cluster.set_rtt(1, 2)
    pool = TransactionalPool(Kafka(bootstrap_servers=cluster.bootstrap), "ingest/x", client_id="test")
    pool.start()
    for _ in range(3):
        with pytest.raises(Unreachable, match="Timed out waiting for operation to finish"):
            pool.initialize(0.05)
    left = weakref.ref(pool)
    del pool
    gc.collect()
    assert left() is None


class Sending:
    """A producer that sends one record with each call, and takes note of how long it may take to commit."""

    def __init__(self, records: int) -> None:
        self.left = records
        self.commits: list[float] = []

    def __len__(self) -> int:
        return self.left

    def poll(self, _: float) -> int:
        self.left -= 1
        return 1

    flush = poll

    def commit_transaction(self, seconds: float) -> None:
        assert not self.left
        self.commits.append(seconds)


def test_a_commit_begins_when_all_is_sent_and_is_not_hurried() -> None:
    """librdkafka can lose its way when it is called again after a millisecond, while its own thread is busy."""
    pool = TransactionalPool(Kafka(bootstrap_servers="127.0.0.1:1"), "ingest/hurry", client_id="test")
    producer = Sending(3)
    pool.clients = [producer]  # type: ignore[list-item]  # as much of it as is used
    assert [pool.commit(0) for _ in range(3)] == [False, False, True]
    assert producer.commits == [END_SECONDS]
