"""A member that leaves its group, in librdkafka's mock cluster."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from ingest.kafka.leaving import leave
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline
from tests.kafka.mocked import PARTITIONS, PATIENCE


class Watched(Consumer):
    """Notes what it holds when it is closed."""

    left_with: list[TopicPartition] | None = None

    def close(self) -> None:
        self.left_with = self.assignment()
        super().close()


def test_partitions_are_given_back_before_the_client_is_closed(cluster: MockCluster) -> None:
    revoked: list[int] = []
    member = Watched(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "leaving",
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )
    member.subscribe(["t"], on_revoke=lambda _, gone: revoked.extend(each.partition for each in gone))
    deadline = Deadline(PATIENCE)
    while len(member.assignment()) < PARTITIONS:
        assert not deadline.expired
        member.poll(0.1)
    leave(member, PATIENCE)
    assert member.left_with == []
    assert sorted(revoked) == list(range(PARTITIONS))


def test_a_member_that_never_joined_is_closed_at_once() -> None:
    member = Watched({"bootstrap.servers": "127.0.0.1:1", "group.id": "leaving", "log_level": 0})
    member.subscribe(["t"])
    leave(member, PATIENCE)
    assert member.left_with == []


class Stuck:
    """Never gets rid of its partition."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def unsubscribe(self) -> None:
        self.said.append("unsubscribe")

    def assignment(self) -> list[object]:
        return [TopicPartition("t", 0)]

    def poll(self, timeout: float) -> None:
        assert 0 <= timeout < 1

    def close(self) -> None:
        self.said.append("close")


def test_the_wait_for_that_has_an_end() -> None:
    stuck = Stuck()
    leave(stuck, 0.02)
    assert stuck.said == ["unsubscribe", "close"]


class Failing(Stuck):
    """Its callback for partitions that are revoked raises."""

    def poll(self, timeout: float) -> None:
        raise ValueError("the callback")


def test_a_callback_that_fails_leaves_no_client_open() -> None:
    failing = Failing()
    with pytest.raises(ValueError, match="the callback"):
        leave(failing, PATIENCE)
    assert failing.said == ["unsubscribe", "close"]
