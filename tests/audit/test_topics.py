"""What the reader of a topic says of it when something is missing."""

from collections.abc import Sequence
from contextlib import closing
from uuid import uuid4

from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from ingest.audit.topics import Reading, TopicReader
from ingest.config import Kafka
from ingest.kafka.admin import TopicSpec, create_topics
from tests.audit.rig import PATIENCE
from tests.services.kafka import KafkaCluster


def test_what_is_deleted_while_it_is_read_is_told(kafka: KafkaCluster) -> None:
    topic = f"audit-{uuid4().hex[:8]}"
    create_topics(kafka.bootstrap, {}, [TopicSpec(topic, 1)], PATIENCE)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for _ in range(10):
        producer.produce(topic, b"{}")
    assert producer.flush(PATIENCE) == 0
    reading = Reading(topic, 1_000, 1 << 44)
    with closing(TopicReader(Kafka(bootstrap_servers=kafka.bootstrap), reading, 1, 1_000, 1 << 44)) as reader:
        assert reader.doubts() == []
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for deleted in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
            deleted.result(PATIENCE)

        def taken(messages: Sequence[Message], _: float) -> bool:
            reading.take(messages, lambda _: {}, None)
            return True

        reader.read(taken)
        assert reading.records == 4
        [doubt] = reader.doubts()
        assert doubt.startswith(f"Topic {topic} has deleted what is older")
