"""Reading places again, from Apache Kafka: only a real broker deletes records."""

from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from ingest.config import Kafka
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.kafka.mock_cluster import MockCluster
from ingest.sink.commands.command import Origin
from ingest.sink.intake import reread
from ingest.sink.intake.reread import Again, Found
from ingest.timing import Deadline
from tests.kafka.raw_batch import append_batch
from tests.services.kafka import IN_ORDER, KafkaCluster

PATIENCE = 60.0
_topics = count(1)


class Log:
    """A topic with two partitions, and who reads it."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.topic = f"again-{next(_topics)}"
        self.again = Again(Kafka(bootstrap_servers=bootstrap), client_id="again")
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **IN_ORDER})

    def write(self, partition: int, values: int) -> None:
        for value in range(values):
            self._producer.produce(self.topic, b"%d" % value, b"key", partition)
        assert self._producer.flush(PATIENCE) == 0

    def want(self, *places: tuple[int, int]) -> None:
        self.again.want([(f"d{offset}", Origin(self.topic, partition, offset)) for partition, offset in places])

    def read(self) -> list[Found]:
        found: list[Found] = []
        deadline = Deadline(PATIENCE)
        while not self.again.idle:
            assert not deadline.expired, found
            found += self.again.poll()
        return found


@pytest.fixture
def log(kafka: KafkaCluster) -> Iterator[Log]:
    made = Log(kafka.bootstrap)
    create_topics(kafka.bootstrap, {}, [TopicSpec(made.topic, 2)], PATIENCE)
    yield made
    made.again.close()


def places(found: list[Found]) -> list[tuple[str, int, int, bool]]:
    return [(one.device_id, one.origin.partition, one.origin.offset, one.message is not None) for one in found]


@pytest.mark.services
def test_places_come_in_the_order_of_their_partition_and_nothing_else_comes(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reread, "FAR", 50)
    log.write(0, 500)
    log.write(1, 20)
    log.want((0, 499), (0, 3), (1, 7), (0, 30), (0, 4))
    found = log.read()
    assert places([one for one in found if one.origin.partition == 0]) == [
        (f"d{offset}", 0, offset, True) for offset in (3, 4, 30, 499)
    ]
    assert places([one for one in found if one.origin.partition == 1]) == [("d7", 1, 7, True)]
    assert all(one.message is not None and one.message.value() == b"%d" % one.origin.offset for one in found)
    log.want((0, 2))
    assert places(log.read()) == [("d2", 0, 2, True)], "behind what was read"


@pytest.mark.services
def test_what_kafka_has_deleted_meanwhile_is_said_to_be_gone(log: Log) -> None:
    log.write(0, 10)
    admin = AdminClient({"bootstrap.servers": log.bootstrap})
    [deleted] = admin.delete_records([TopicPartition(log.topic, 0, 6)]).values()
    deleted.result(PATIENCE)
    log.want((0, 2), (0, 5), (0, 6), (0, 8))
    assert places(log.read()) == [("d2", 0, 2, False), ("d5", 0, 5, False), ("d6", 0, 6, True), ("d8", 0, 8, True)]
    [deleted] = admin.delete_records([TopicPartition(log.topic, 0, 10)]).values()
    deleted.result(PATIENCE)
    log.want((0, 8))
    assert places(log.read()) == [("d8", 0, 8, False)]


@pytest.mark.services
def test_a_partition_that_has_left_is_not_waited_for(log: Log) -> None:
    log.write(0, 3)
    log.want((0, 1), (1, 1))
    assert places(log.again.poll()) == []
    log.again.drop([(log.topic, 1)])
    assert places(log.read()) == [("d1", 0, 1, True)]


def test_what_cannot_be_read_any_more_is_gone() -> None:
    with MockCluster() as cluster:
        log = Log(cluster.bootstrap)
        cluster.create_topic(log.topic, 1)
        log.write(0, 1)
        append_batch(cluster.bootstrap, log.topic, b"no snappy", records=2, attributes=2)
        log.write(0, 1)
        log.want((0, 0), (0, 1), (0, 2), (0, 3))
        assert places(log.read()) == [("d0", 0, 0, True), ("d1", 0, 1, False), ("d2", 0, 2, False), ("d3", 0, 3, True)]
        log.again.close()
