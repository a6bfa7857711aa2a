"""tests.services.kafka: a broker keeps port and data when it is killed; three outlive the loss of one."""

import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.services import ServiceError, kafka_jars, prerequisites
from tests.services.kafka import IN_ORDER, KafkaCluster

pytestmark = pytest.mark.services


def _produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, **IN_ORDER, "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def _consume(bootstrap: str, topic: str, count: int) -> set[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    seen: set[bytes] = set()
    try:
        while len(seen) < count:
            message = consumer.poll(30)
            assert message is not None, f"{len(seen)} of {count} records after 30 s of silence"
            if message.error() is None:
                seen.add(message.value() or b"")
    finally:
        consumer.close()
    return seen


def test_the_shared_broker_creates_topics_and_serves_consumer_groups(kafka: KafkaCluster) -> None:
    topic = f"services-{uuid.uuid4().hex}"
    values = [b"%d" % number for number in range(1000)]
    _produce(kafka.bootstrap, topic, values)
    assert _consume(kafka.bootstrap, topic, 1000) == set(values)
    described = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(topic, timeout=10)
    assert len(described.topics[topic].partitions) == 4


def test_a_broker_takes_the_classes_that_were_prepared(kafka: KafkaCluster) -> None:
    with_them = Path(f"/proc/{kafka.pid(1)}/maps").read_text(encoding="utf-8")
    assert f"{kafka_jars.class_archive(prerequisites.java(), kafka_jars.ensure())}\n" in with_them


@pytest.mark.faults
def test_three_brokers_outlive_the_loss_of_one() -> None:
    with KafkaCluster(brokers=3, short_lived=True) as cluster:
        _produce(cluster.bootstrap, "kept", [b"before"])
        cluster.kill(1)
        _produce(cluster.bootstrap, "kept", [b"while"])
        cluster.restart(1)
        _produce(cluster.bootstrap, "kept", [b"after"])
        assert _consume(cluster.bootstrap, "kept", 3) == {b"before", b"while", b"after"}


@pytest.mark.faults
def test_a_killed_broker_comes_back_with_port_and_data() -> None:
    with KafkaCluster(settings={"message.max.bytes": "2000"}, short_lived=True) as cluster:
        bootstrap = cluster.bootstrap
        _produce(bootstrap, "kept", [b"1", b"2"])
        cluster.kill(1)
        cluster.restart(1)
        assert cluster.bootstrap == bootstrap
        cluster.pause(1)
        cluster.resume(1)
        _produce(bootstrap, "kept", [b"3"])
        assert _consume(bootstrap, "kept", 3) == {b"1", b"2", b"3"}


def test_a_setting_that_kafka_refuses_is_quoted_from_its_log() -> None:
    with (
        pytest.raises(ServiceError, match=r"(?s)Kafka broker 1 ended with status 1.*num\.io\.threads"),
        KafkaCluster(settings={"num.io.threads": "none"}, short_lived=True),
    ):
        pass
