"""What the brokers' own topic shows of why they coordinate no transactions."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.transaction_log import TOPIC, hindrance


class Cluster:
    """Of three brokers. `partitions`: leader, replicas and those in sync; None: the topic is not there."""

    def __init__(self, partitions: Sequence[tuple[int, Sequence[int], Sequence[int]]] | None) -> None:
        made = [SimpleNamespace(leader=leader, replicas=all_of, isrs=isrs) for leader, all_of, isrs in partitions or ()]
        self.topics = {} if partitions is None else {TOPIC: SimpleNamespace(partitions=dict(enumerate(made)))}
        self.brokers = {1: "a", 2: "b", 3: "c"}

    def list_topics(self, timeout: float) -> Any:
        return self


@pytest.mark.parametrize(
    ("partitions", "words"),
    [
        (None, "transaction.state.log.replication.factor, and there are 3"),
        (
            [(1, (1, 2, 3), (1, 2, 3)), (2, (1, 2, 3), (2,))],
            "1 of 2 partitions lack a leader or replicas (1 of 3 are in sync)",
        ),
        ([(-1, (1, 2), (1, 2))], "1 of 1 partitions lack a leader or replicas (2 of 2 are in sync)"),
        ([(1, (1,), (1,))], None),
    ],
)
def test_what_the_topic_shows(partitions: Any, words: str | None) -> None:
    found = hindrance(Cluster(partitions), 1)  # type: ignore[arg-type]  # as much of a client as is used
    assert found is None if words is None else words in str(found)


def test_brokers_that_do_not_answer_show_nothing() -> None:
    class Away:
        def list_topics(self, timeout: float) -> Any:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    assert hindrance(Away(), 1) is None  # type: ignore[arg-type]


def test_a_real_client_can_be_asked() -> None:
    with MockCluster() as cluster:
        found = hindrance(Producer({"bootstrap.servers": cluster.bootstrap}), 30)
    assert "and there is one" in str(found)
