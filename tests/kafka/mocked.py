"""What tests of producers share: librdkafka's mock cluster with a topic `t`, and a look into that."""

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline

PATIENCE = 60.0
PARTITIONS = 3


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
