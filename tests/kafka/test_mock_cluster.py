"""The mock cluster holds what its docstring says, with the stock producer and consumer."""

import ctypes.util
import socket
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from ingest.errors import Unreachable
from ingest.kafka import mock_cluster
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline

QUIET = {"log_level": 0}


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster(2) as cluster:
        yield cluster


def producer_of(cluster: MockCluster, **settings: str | int | bool) -> Producer:
    return Producer({"bootstrap.servers": cluster.bootstrap, **QUIET, **settings})


def watermarks(cluster: MockCluster, topic: str) -> tuple[int, int]:
    """Oldest and next offset of partition 0."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "w", **QUIET})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        return int(low), int(high)
    finally:
        consumer.close()


def test_records_go_through(cluster: MockCluster) -> None:
    cluster.create_topic("t", 6)
    producer = producer_of(cluster, **{"enable.idempotence": True})
    for number in range(500):
        producer.produce("t", str(number).encode(), key=str(number).encode())
    assert producer.flush(20) == 0
    consumer = Consumer(
        {"bootstrap.servers": cluster.bootstrap, "group.id": "g", "auto.offset.reset": "earliest", **QUIET}
    )
    consumer.assign([TopicPartition("t", partition, 0) for partition in range(6)])
    seen: set[int] = set()
    deadline = Deadline(20)
    while len(seen) < 500 and not deadline.expired:
        for message in consumer.consume(500, 0.2):
            value = message.value()
            assert isinstance(value, bytes)
            seen.add(int(value))
    consumer.close()
    assert seen == set(range(500))


def test_every_broker_is_listed_and_topics_have_their_partitions(cluster: MockCluster) -> None:
    cluster.create_topic("t", 7)
    found = producer_of(cluster).list_topics("t", 20)
    assert sorted(found.brokers) == list(cluster.brokers) == [1, 2]
    assert len(found.topics["t"].partitions) == 7


def test_what_it_refuses(cluster: MockCluster) -> None:
    cluster.create_topic("t", 1)
    with pytest.raises(Unreachable, match=r"topic_create.*already exists"):
        cluster.create_topic("t", 1)
    with pytest.raises(Unreachable, match="broker_set_down"):
        cluster.set_down(3)


def test_down_and_up(cluster: MockCluster) -> None:
    cluster.create_topic("t", 2)
    producer = producer_of(cluster, **{"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50})
    for broker in cluster.brokers:
        cluster.set_down(broker)
    host, port = cluster.bootstrap.split(",")[0].split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=20).close()
    delivered: list[KafkaError | None] = []
    producer.produce("t", b"kept", on_delivery=lambda error, _: delivered.append(error))
    producer.flush(0.1)
    assert delivered == []
    for broker in cluster.brokers:
        cluster.set_up(broker)
    assert producer.flush(20) == 0
    assert delivered == [None]


def test_pushed_errors(cluster: MockCluster) -> None:
    cluster.create_topic("t", 1)
    delivered: list[KafkaError | None] = []
    producer = producer_of(cluster, **{"retry.backoff.ms": 10})
    for codes in ([19, 7], [10]):  # twice retriable; then MESSAGE_TOO_LARGE, which is not
        cluster.push_errors(0, codes)
        producer.produce("t", b"x", on_delivery=lambda error, _: delivered.append(error))
        assert producer.flush(20) == 0
    first, second = delivered
    assert first is None
    assert second is not None
    assert second.code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_cleared_errors_hit_nothing(cluster: MockCluster) -> None:
    cluster.create_topic("t", 1)
    delivered: list[KafkaError | None] = []
    producer = producer_of(cluster)
    cluster.push_errors(0, [10, 10])
    cluster.clear_errors(0)
    producer.produce("t", b"x", on_delivery=lambda error, _: delivered.append(error))
    assert producer.flush(20) == 0
    assert delivered == [None]


def test_round_trip(cluster: MockCluster) -> None:
    cluster.create_topic("t", 1)
    producer = producer_of(cluster)
    producer.produce("t", b"connect")
    assert producer.flush(20) == 0
    for broker in cluster.brokers:
        cluster.set_rtt(broker, 0.3)
    delivered: list[KafkaError | None] = []
    producer.produce("t", b"x", on_delivery=lambda error, _: delivered.append(error))
    producer.flush(0.1)
    assert delivered == [], "the answer is under way for 0.3 s"
    assert producer.flush(20) == 0
    assert delivered == [None]


def test_a_partition_keeps_five_megabytes(cluster: MockCluster) -> None:
    cluster.create_topic("small", 1)
    cluster.create_topic("large", 1)
    producer = producer_of(cluster)
    for topic, count in (("small", 4_000), ("large", 8_000)):
        for _ in range(count):
            producer.produce(topic, b"x" * 1000)
        assert producer.flush(30) == 0
    assert watermarks(cluster, "small") == (0, 4_000)
    low, high = watermarks(cluster, "large")
    assert high == 8_000
    assert 4_000 < high - low < 5_300


def test_close_frees_the_ports_and_may_be_repeated() -> None:
    cluster = MockCluster()
    host, port = cluster.bootstrap.split(":")
    socket.create_connection((host, int(port)), timeout=20).close()
    cluster.close()
    cluster.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=20).close()


@pytest.mark.parametrize(
    "place", ["confluent_kafka.libs/librdkafka-0cb94173.so.1", "confluent_kafka/.dylibs/librdkafka.1.dylib"]
)
def test_the_library_is_found_in_wheels_for_linux_and_macos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    library = tmp_path / place
    library.parent.mkdir(parents=True)
    library.touch()
    (library.parent / "libcrypto.so").touch()
    monkeypatch.setattr(confluent_kafka, "__file__", str(tmp_path / "confluent_kafka" / "__init__.py"))
    assert mock_cluster._find() == str(library)


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confluent_kafka, "__file__", str(tmp_path / "confluent_kafka" / "__init__.py"))
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(Unreachable, match="install confluent-kafka from a wheel"):
        MockCluster()
