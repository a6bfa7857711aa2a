"""The end of the feedback topic, of librdkafka's mock cluster."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from ingest.config import Kafka
from ingest.errors import Unreachable
from ingest.kafka.mock_cluster import MockCluster
from ingest.sink.feedback import tail
from ingest.sink.feedback.dedup import FeedbackDedup
from ingest.sink.feedback.message import Feedback
from ingest.sink.feedback.tail import read_tail

TOPIC = "iotfeedback"


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic(TOPIC, 2)
        yield made


def kafka(cluster: MockCluster) -> Kafka:
    return Kafka(bootstrap_servers=cluster.bootstrap)


def ended(number: int) -> Feedback:
    return Feedback(f"m{number}", "dev", "Success", None, None, 1_700_000_000_000 + number)


def write(cluster: MockCluster, partition: int, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for value in values:
        producer.produce(TOPIC, value, partition=partition)
    assert producer.flush(60) == 0


def test_an_empty_topic(cluster: MockCluster) -> None:
    assert read_tail(kafka(cluster), TOPIC, FeedbackDedup()) == 0


def test_the_last_records_of_each_partition_are_known(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "RECORDS", 8)
    monkeypatch.setattr(tail, "LEAST_RECORDS", 4)
    write(cluster, 0, *(ended(number).value for number in range(10)))
    write(cluster, 1, ended(20).value, b"foreign", b"{}")
    seen = FeedbackDedup()
    assert read_tail(kafka(cluster), TOPIC, seen) == 5
    assert [number for number in (*range(10), 20) if not seen.admit(ended(number))] == [6, 7, 8, 9, 20]


def test_a_stop_ends_the_reading(cluster: MockCluster) -> None:
    write(cluster, 0, ended(0).value)
    assert read_tail(kafka(cluster), TOPIC, FeedbackDedup(), go_on=lambda: False) == 0


def test_kafka_is_away(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "ANSWER_SECONDS", 0.3)
    cluster.set_down(1)
    with pytest.raises(Unreachable, match="topic 'iotfeedback'"):
        read_tail(kafka(cluster), TOPIC, FeedbackDedup())


def test_the_end_is_not_reached_in_time(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "SECONDS", 0.0)
    write(cluster, 0, ended(0).value)
    with pytest.raises(Unreachable, match="the end of topic iotfeedback was not reached"):
        read_tail(kafka(cluster), TOPIC, FeedbackDedup())
