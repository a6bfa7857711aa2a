"""The producer pool against librdkafka's mock cluster, with its faults."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.config import Kafka, Secret
from ingest.deadline import Deadline
from ingest.errors import Undeliverable
from ingest.kafka.mock import MockCluster
from ingest.kafka.producer import ProducerPool, Record, settings
from ingest.kafka.shipment import Shipment

PATIENCE = 60.0
PARTITIONS = 3


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("t", PARTITIONS)
        yield made


def started(cluster: MockCluster, *, producers: int = 1, max_record_bytes: int | None = None) -> ProducerPool:
    pool = ProducerPool(
        Kafka(bootstrap_servers=cluster.bootstrap, producers=producers),
        client_id="test",
        max_record_bytes=max_record_bytes,
    )
    pool.start()
    return pool


def nobody(_: KafkaError | None, __: Message) -> None: ...


def read(cluster: MockCluster, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("t", partition, 0) for partition in range(PARTITIONS)])
    found: list[Message] = []
    deadline = Deadline(PATIENCE)
    while len(found) < count and not deadline.expired:
        found += consumer.consume(count - len(found), timeout=0.5)
    consumer.close()
    return found


@pytest.mark.parametrize("producers", [1, 3])
def test_records_arrive_as_sent_and_in_the_order_of_their_key(cluster: MockCluster, producers: int) -> None:
    pool = started(cluster, producers=producers)
    acknowledged = []
    for n in range(600):
        key = b"device-%d" % (n % 7)
        assert pool.send(
            "t",
            key,
            b"%d" % n,
            [("n", b"%d" % n)] if n % 2 else None,
            1_000 + n,
            lambda error, message: acknowledged.append(error),
        )
    assert pool.in_flight == 600
    pool.close()
    assert pool.join(Deadline(PATIENCE))
    assert acknowledged == [None] * 600
    assert (pool.in_flight, pool.in_flight_bytes) == (0, 0)
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for message in read(cluster, 600):
        found_key, value = message.key(), message.value()
        assert isinstance(found_key, bytes)
        assert isinstance(value, bytes)
        by_key[found_key].append(int(value))
        assert message.timestamp()[1] == 1_000 + int(value)
        assert message.headers() == ([("n", value)] if int(value) % 2 else None)
    assert sum(map(len, by_key.values())) == 600
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


def test_an_outage_costs_nothing_and_is_told_while_it_lasts(cluster: MockCluster) -> None:
    pool = started(cluster)
    assert pool.send("t", b"k", b"before", None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
    cluster.set_down(1)
    assert pool.send("t", b"k", b"during", None, 1, nobody)
    deadline = Deadline(PATIENCE)
    while pool.trouble is None and not deadline.expired:
        pool.poll(0.1)
    assert pool.trouble is not None
    assert cluster.bootstrap in pool.trouble
    assert pool.in_flight == 1
    cluster.set_up(1)
    assert pool.join(Deadline(PATIENCE))
    assert pool.trouble is None
    assert [message.value() for message in read(cluster, 2)] == [b"before", b"during"]


def test_a_login_that_is_refused_is_the_trouble(cluster: MockCluster) -> None:
    login = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "u"}
    pool = ProducerPool(
        Kafka(bootstrap_servers=cluster.bootstrap, librdkafka={**login, "sasl.password": "p"}), client_id="refused"
    )
    pool.start()
    deadline = Deadline(PATIENCE)
    while "SASL" not in (pool.trouble or ""):
        pool.poll(0.1)
        assert not deadline.expired, pool.trouble
    assert "correct sasl.mechanism" in (pool.trouble or "")


def test_a_queue_of_librdkafka_that_is_full_refuses_without_losing_the_place(cluster: MockCluster) -> None:
    pool = ProducerPool(
        Kafka(
            bootstrap_servers=cluster.bootstrap,
            librdkafka={"queue.buffering.max.messages": "2", "linger.ms": "50"},
        ),
        client_id="test",
    )
    pool.start()
    sent = [pool.send("t", b"k", b"%d" % n, None, 1, nobody) for n in range(5)]
    assert sent.count(False) >= 1
    assert pool.in_flight == sent.count(True)
    assert pool.join(Deadline(PATIENCE))


def test_a_record_over_the_limit_is_undeliverable_alone(cluster: MockCluster) -> None:
    pool = started(cluster, max_record_bytes=2_000)
    assert pool.send("t", b"k", b"small", None, 1, nobody)
    with pytest.raises(Undeliverable, match="topic t allows 2000") as refused:
        pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    assert refused.value.reason == "too_large"
    assert pool.in_flight == 1
    assert pool.join(Deadline(PATIENCE))


def test_terminate_throws_away_what_is_not_acknowledged(cluster: MockCluster) -> None:
    pool = started(cluster)
    cluster.set_down(1)
    errors = []
    pool.send("t", b"k", b"v", None, 1, lambda error, _: errors.append(error))
    pool.terminate()
    deadline = Deadline(PATIENCE)
    while not errors and not deadline.expired:
        pool.poll(0.1)
    assert errors[0] is not None


def test_secrets_are_handed_over_in_the_clear_and_only_here() -> None:
    kafka = Kafka(bootstrap_servers="b:9092", librdkafka={"sasl.password": Secret("hunter2"), "linger.ms": "7"})
    assert settings(kafka) == {"bootstrap.servers": "b:9092", "sasl.password": "hunter2", "linger.ms": "7"}
    assert "hunter2" not in repr(kafka)


def shipped(pool: ProducerPool, records: list[Record]) -> tuple[int, list[Shipment]]:
    done: list[Shipment] = []
    queued = pool.send_all("t", records, done.append)
    assert pool.join(Deadline(PATIENCE))
    return queued, done


@pytest.mark.parametrize("producers", [1, 3])
def test_what_was_refused_is_told_by_its_place(cluster: MockCluster, producers: int) -> None:
    """The records are equal."""
    pool = ProducerPool(
        Kafka(bootstrap_servers=cluster.bootstrap, producers=producers, librdkafka={"batch.num.messages": "10"}),
        client_id="test",
    )
    pool.start()
    records: list[Record] = [(b"k", b"21.5", None, 1)] * 40
    assert shipped(pool, records)[0] == 40
    cluster.push_errors(0, [KafkaError.INVALID_RECORD])
    queued, (shipment,) = shipped(pool, records)
    assert queued == shipment.records == 40
    assert shipment.bytes == 160
    places = sorted(refusal.place for refusal in shipment.refused)
    assert places == list(range(places[0], places[0] + len(places)))
    assert 0 < len(places) <= 10
    assert {(refusal.error.name(), refusal.partition) for refusal in shipment.refused} == {
        ("INVALID_RECORD", shipment.refused[0].partition)
    }
    assert len(read(cluster, 80 - len(places))) == 80 - len(places)
    assert (pool.in_flight, pool.in_flight_bytes) == (0, 0)
    _, (after,) = shipped(pool, records)
    assert not after.refused


@pytest.mark.parametrize("producers", [1, 3])
@pytest.mark.parametrize(
    "odd",
    [
        (b"k", b"x" * 3_000, None, 1),
        (b"k", b"x", None, 1 << 70),
        (b"k", b"x", [("n", 5)], 1),
        (b"k", b"x", [("n",)], 1),
        (b"k", b"x", [("n", "half \ud800")], 1),
    ],
    ids=["too large", "time", "number as header", "no pair", "half a surrogate pair"],
)
def test_a_shipment_ends_before_what_the_client_takes_not_and_send_says_why(
    cluster: MockCluster, odd: Any, producers: int
) -> None:
    pool = started(cluster, producers=producers, max_record_bytes=2_000)
    good: Record = (b"k", b"x", [("n", b"5")], 1)
    queued, (shipment,) = shipped(pool, [good, good, odd, good])
    assert queued == shipment.records == 2
    key, value, headers, time = odd
    with pytest.raises(Undeliverable) as refused:
        pool.send("t", key, value, headers, time, nobody)
    assert refused.value.reason in ("too_large", "not_sendable")
    assert pool.send("t", b"k", b"x", None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
    assert len(read(cluster, 3)) == 3
    assert shipped(pool, [odd, good]) == (0, [])


def test_a_header_s_name_that_would_end_the_process_is_refused(cluster: MockCluster) -> None:
    pool = started(cluster)
    with pytest.raises(Undeliverable, match="surrogates not allowed"):
        pool.send("t", b"k", b"x", [("half \ud800", b"x")], 1, nobody)


def test_one_shipment_at_a_time(cluster: MockCluster) -> None:
    pool = started(cluster)
    pool.send_all("t", [(b"k", b"x", None, 1)], lambda _: None)
    with pytest.raises(RuntimeError, match="still on its way"):
        pool.send_all("t", [(b"k", b"x", None, 1)], lambda _: None)
    assert pool.join(Deadline(PATIENCE))


def test_the_limit_follows_the_topic_s(cluster: MockCluster) -> None:
    pool = started(cluster, max_record_bytes=2_000)
    with pytest.raises(Undeliverable):
        pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    pool.limit(5_000)
    assert (pool.max_record_bytes, pool.batch_bytes) == (5_000, 5_000)
    assert pool.send("t", b"k", b"x" * 3_000, None, 1, nobody)
    assert pool.join(Deadline(PATIENCE))
