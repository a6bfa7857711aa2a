"""The group of nodes at a real coordinator."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from ingest.cluster.kafka_group import KafkaGroup
from ingest.config import Kafka
from ingest.kafka.admin import TopicSpec, create_topics
from ingest.timing import Deadline
from tests.services.kafka import KafkaCluster

PATIENCE = 60.0
ALL = ("0", "1", "2", "3")


class Member:
    """One node, without processes: what it was told, and what it has."""

    def __init__(self, bootstrap: str, topic: str, name: str, weight: int = 1) -> None:
        kafka = Kafka(bootstrap, librdkafka={"session.timeout.ms": "6000"})
        self.group = KafkaGroup(kafka, topic, topic, name, weight)
        self.told: list[tuple[str, tuple[str, ...]]] = []
        self.held: set[str] = set()
        self.lost: set[str] = set()

    def look(self) -> None:
        for kind, partitions in ((change.kind, change.partitions) for change in self.group.poll()):
            self.told.append((kind, partitions))
            if kind == "gained":
                self.held |= set(partitions)
                continue
            self.held -= set(partitions)
            self.lost |= set(partitions) if kind == "lost" else set()

    def release(self) -> None:
        self.group.release(self.lost)
        self.lost.clear()


class Nodes:
    def __init__(self, bootstrap: str, partitions: int = len(ALL)) -> None:
        self.topic = f"positions-{uuid.uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.members: list[Member] = []
        create_topics(bootstrap, {}, [TopicSpec(self.topic, partitions, 1)], PATIENCE)

    def join(self, weight: int = 1) -> Member:
        made = Member(self.bootstrap, self.topic, f"ingest/edge-{len(self.members)}/127.0.0.1:9464", weight)
        self.members.append(made)
        made.group.start()
        return made

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, [member.told for member in self.members]
            for member in self.members:
                member.look()


@pytest.fixture
def nodes(kafka: KafkaCluster, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    made = Nodes(kafka.bootstrap, getattr(request, "param", len(ALL)))
    yield made
    for member in made.members:
        member.group.close()
    assert all(member.group.join(Deadline(PATIENCE)) for member in made.members)


def test_partitions_go_from_node_to_node(nodes: Nodes) -> None:
    first = nodes.join()
    assert not first.group.joined
    nodes.until(lambda: first.held == set(ALL))
    assert first.group.joined
    second = nodes.join()
    nodes.until(lambda: len(first.lost) == 2)
    nodes.until(lambda: second.group.joined)
    assert second.held == set(), "what is not let go of is nobody else's"
    assert len(first.held) == 2, "the others stay where they are"
    first.release()
    nodes.until(lambda: len(second.held) == 2)
    assert first.held | second.held == set(ALL)
    known = {"ingest/edge-0/127.0.0.1:9464": first.held, "ingest/edge-1/127.0.0.1:9464": second.held}
    nodes.until(lambda: {name: set(each) for name, each in (first.group.members or {}).items()} == known)
    assert first.group.rebalances > 1
    assert first.group.trouble is None

    first.group.close()
    nodes.until(lambda: second.held == set(ALL))
    assert second.told[-1][0] == "gained"


@pytest.mark.parametrize("nodes", [6], indirect=True)
def test_a_node_of_weight_two_has_twice_as_many(nodes: Nodes) -> None:
    light, heavy = nodes.join(), nodes.join(weight=2)

    def shared() -> bool:
        for member in nodes.members:
            member.release()
        return (len(light.held), len(heavy.held)) == (2, 4)

    nodes.until(shared)
    assert light.held | heavy.held == {str(number) for number in range(6)}
    known = {"ingest/edge-0/127.0.0.1:9464": 2, "ingest/edge-1/127.0.0.1:9464": 4}
    nodes.until(lambda: {name: len(each) for name, each in (light.group.members or {}).items()} == known)
    heavy.group.close()
    nodes.until(lambda: len(light.held) == 6)


def test_a_group_that_cannot_be_reached_says_so() -> None:
    group = KafkaGroup(Kafka("127.0.0.1:1"), "t", "g", "n")
    group.start()
    deadline = Deadline(PATIENCE)
    while group.trouble is None and not deadline.expired:
        group.join(Deadline(0.05))
    assert "127.0.0.1:1" in (group.trouble or "")
    assert not group.joined
    group.close()
    assert group.join(Deadline(PATIENCE))
