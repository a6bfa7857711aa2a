"""A topic that grows: with transactions on Apache Kafka, and with what nobody can read on librdkafka's mock cluster."""

from uuid import uuid4

from confluent_kafka import Consumer, Producer

from ingest.kafka.admin import TopicSpec, create_topics
from ingest.kafka.mock_cluster import MockCluster
from ingest.shadow.topic import SETTINGS, GrowingTopic
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch
from tests.services.kafka import KafkaCluster

PATIENCE = 60.0


def read_to_the_end(topic: GrowingTopic) -> list[bytes | str | None]:
    ends, deadline = topic.ends(Deadline(PATIENCE)), Deadline(PATIENCE)
    found: list[bytes | str | None] = []
    while not topic.has_come_to(ends) and not deadline.expired:
        found += [message.value() for message in topic.poll(10, 0.1)]
    assert topic.has_come_to(ends)
    return found


def read_one(topic: GrowingTopic) -> list[bytes | str | None]:
    deadline, found = Deadline(PATIENCE), list[bytes | str | None]()
    while not found and not deadline.expired:
        found += read_to_the_end(topic)
    return found


def test_what_a_transaction_holds_back_comes_when_it_ends(kafka: KafkaCluster) -> None:
    name = f"growing-{uuid4().hex[:8]}"
    create_topics(kafka.bootstrap, {}, [TopicSpec(name, 2)], PATIENCE)
    writer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": name})
    writer.init_transactions(PATIENCE)

    def write(value: bytes) -> None:
        writer.begin_transaction()
        writer.produce(name, value, partition=0)
        assert writer.flush(PATIENCE) == 0

    consumer = Consumer({**SETTINGS, "bootstrap.servers": kafka.bootstrap})
    try:
        topic = GrowingTopic(consumer, name, 2)
        topic.start({0: 0, 1: 0})
        write(b"first")
        writer.commit_transaction(PATIENCE)
        # A broker moves the end for readers of what is committed shortly after it has answered the commit.
        assert read_one(topic) == [b"first"]
        write(b"never")
        writer.abort_transaction(PATIENCE)
        assert read_to_the_end(topic) == []
        write(b"second")
        assert read_to_the_end(topic) == []
        writer.commit_transaction(PATIENCE)
        assert read_one(topic) == [b"second"]
    finally:
        consumer.close()


def test_what_cannot_be_read_is_passed_over_and_counted() -> None:
    with MockCluster() as cluster:
        cluster.create_topic("t", 1)
        writer = Producer({"bootstrap.servers": cluster.bootstrap})
        for value in (b"a", b"b"):
            writer.produce("t", value)
            assert writer.flush(PATIENCE) == 0
            append_batch(cluster.bootstrap, "t", b"no snappy", records=2, attributes=2)
        consumer = Consumer({**SETTINGS, "bootstrap.servers": cluster.bootstrap})
        try:
            topic = GrowingTopic(consumer, "t", 1)
            topic.start({0: 0})
            assert read_to_the_end(topic) == [b"a", b"b"]
            assert topic.lost == 4
        finally:
            consumer.close()
