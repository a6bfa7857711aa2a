"""Headers as raw batches hold them, read through a mock cluster."""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from ingest.kafka.headers import headers_of
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch, record

PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        yield made


def read(cluster: MockCluster, topic: str, payload: bytes) -> Message:
    cluster.create_topic(topic, 1)
    append_batch(cluster.bootstrap, topic, payload, records=1)
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    deadline = Deadline(PATIENCE)
    try:
        while True:
            assert not deadline.expired
            for message in consumer.consume(1, 0.1):
                assert message.error() is None
                return message
    finally:
        consumer.close()


def test_names_of_any_bytes_and_values_of_none(cluster: MockCluster) -> None:
    headers = [
        (b"\xff\xfe", b"1"),
        (b"ok", None),
        ("größe".encode(), b"\xff"),
        (b"p-\xe4", b""),
        (b"ok", b"2"),
        (b"", b"3"),
    ]
    message = read(cluster, "any", record(b"value", headers, key=b"\xff"))
    expected = [
        ("raw-name:%FF%FE", b"1"),
        ("ok", None),
        ("größe", b"\xff"),
        ("raw-name:p-%E4", b""),
        ("ok", b"2"),
        ("", b"3"),
    ]
    assert headers_of(message) == expected
    assert headers_of(message) == expected, "as often as it is asked"
    assert (message.key(), message.value()) == (b"\xff", b"value")


def test_a_record_without_any(cluster: MockCluster) -> None:
    assert headers_of(read(cluster, "none", record(b"value"))) == []


def test_thousands(cluster: MockCluster) -> None:
    message = read(cluster, "many", record(None, [(b"\xff%d" % number, b"x") for number in range(5000)]))
    assert headers_of(message)[4999] == ("raw-name:%FF4999", b"x")
    assert message.value() is None


def test_all_other_decoding_is_as_strict_as_before(cluster: MockCluster) -> None:
    """While headers are read, and after it."""
    message = read(cluster, "strict", record(b"value", [(b"\xff", b"x")]))
    loose: list[str] = []
    stop = threading.Event()

    def decode() -> None:
        while not stop.is_set():
            try:
                loose.append(b"\xff".decode())
            except UnicodeDecodeError:
                continue

    other = threading.Thread(target=decode)
    other.start()
    for _ in range(2000):
        headers_of(message)
    stop.set()
    other.join(PATIENCE)
    assert loose == []
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        b"\xff".decode()
