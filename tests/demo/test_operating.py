"""The operator against the mock cluster."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition

from ingest.demo.operating import AHEAD_COMMANDS, DEFAULT_RATE, Operator
from ingest.demo.plan import Plan
from ingest.errors import IngestError
from ingest.kafka.mock_cluster import MockCluster
from ingest.timing import Deadline

DEVICES = ["a", "b"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("t", 1)
        yield cluster


def operator(cluster: MockCluster, commands: int | None, devices: list[str] = DEVICES) -> tuple[Operator, Clock]:
    clock = Clock()
    made = Operator(Plan(0, 0, 0, 4, len(devices), commands), cluster.bootstrap, "t", devices, clock)
    made.start()
    return made, clock


def records(cluster: MockCluster, count: int) -> list[dict[str, Any]]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    found: list[dict[str, Any]] = []
    deadline = Deadline(20)
    try:
        consumer.assign([TopicPartition("t", 0, 0)])
        while len(found) < count and not deadline.expired:
            for message in consumer.consume(count, 0.1):
                assert message.error() is None
                value, key = message.value(), message.key()
                assert isinstance(value, bytes)
                assert isinstance(key, bytes)
                found.append(orjson.loads(value))
                assert found[-1]["deviceId"] == key.decode()
    finally:
        consumer.close()
    return found


def test_commands_go_to_the_devices_in_turn_and_are_done_when_all_have_come(cluster: MockCluster) -> None:
    made, clock = operator(cluster, 5)
    made.poll()
    assert (made.total, made.waiting, made.done) == (5, 5, False)
    clock.now += 2
    made.hear([("a", 1), ("b", 1), ("b", 2), ("b", 2), ("a", 0)])
    assert (made.waiting, made.done) == (2, False)
    summary = made.summary(1)
    assert (summary.sent, summary.delivered, summary.missing, summary.repeated) == (5, 3, 2, 1)
    assert (summary.strange, summary.seconds, summary.missing_examples) == (1, 2.0, [("a", 2)])
    made.hear([("a", 3), ("a", 2)])
    made.poll()
    made.close()
    assert made.done
    assert (made.summary(1).missing, made.summary(1).out_of_order) == (0, 1)
    assert [one["messageId"] for one in records(cluster, 5)] == ["a:1", "b:1", "a:2", "b:2", "a:3"]


def test_never_far_ahead_of_the_devices(cluster: MockCluster) -> None:
    made, _ = operator(cluster, AHEAD_COMMANDS + 10, ["a"])
    for _ in range(3):
        made.poll()
    assert made.total == AHEAD_COMMANDS
    made.hear([("a", counter) for counter in range(1, 8)])
    made.poll()
    assert made.total == AHEAD_COMMANDS + 7
    made.close()


def test_a_few_a_second_until_it_is_stopped(cluster: MockCluster) -> None:
    made, clock = operator(cluster, None)
    made.poll()
    assert (made.total, made.done) == (1, False)
    made.hear([("a", 1)])
    assert not made.done
    clock.now += 2
    made.poll()
    made.poll()
    assert made.total == 2 * DEFAULT_RATE + 1
    made.stop()
    clock.now += 2
    made.poll()
    assert made.total == 2 * DEFAULT_RATE + 1
    made.hear([("b", counter) for counter in range(1, 6)] + [("a", counter) for counter in range(2, 7)])
    assert made.done
    made.close()


@pytest.mark.parametrize(("commands", "devices"), [(0, DEVICES), (7, []), (None, [])])
def test_nobody_to_command_or_nothing_to_say(cluster: MockCluster, commands: int | None, devices: list[str]) -> None:
    made, _ = operator(cluster, commands, devices)
    made.poll()
    made.close()
    assert (made.total, made.done) == (0, True)


def test_a_command_that_kafka_does_not_take_is_no_silent_matter(cluster: MockCluster) -> None:
    message_too_large = 10
    cluster.push_errors(0, [message_too_large])
    made, _ = operator(cluster, 1)
    made.poll()
    made.close()
    with pytest.raises(IngestError, match=r"the embedded Kafka has not taken a command: .*too large"):
        made.poll()
