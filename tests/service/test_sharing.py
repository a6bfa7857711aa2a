"""A supervisor that shares the hub's partitions: real child processes of toy roles, and a group that does as it is told."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import psutil
import pytest

from ingest.cluster.contract import Change
from ingest.config import Config, Metrics, Service, Source
from ingest.config.cluster import Cluster
from ingest.metrics.cluster import CLUSTER_MEMBERS, CLUSTER_OWNED, CLUSTER_PARTITIONS, CLUSTER_REBALANCES
from ingest.service.sharing import Place, Sharing
from ingest.service.supervisor import Supervisor
from ingest.timing import Deadline
from tests.service.toys import toy_directions, use

PATIENCE = 60.0
CONFIG = Config(
    cluster=Cluster("kafka"),
    source=Source(partitions_check_seconds=0),
    metrics=Metrics(port=0),
    service=Service(shutdown_seconds=20),
)


class Group:
    """A `Coordination` in which the test is the coordinator."""

    def __init__(self, place: Place, processes: Callable[[], Collection[int]]) -> None:
        self.place = place
        self.joined = False
        self.rebalances = 0
        self.trouble: str | None = None
        self.members: Mapping[str, Collection[str]] | None = None
        self.released: list[str] = []
        self.left = False
        self._processes = processes
        self._changes: list[Change] = []
        self._bell = os.eventfd(0, os.EFD_NONBLOCK)

    def say(self, kind: str, *partitions: str) -> None:
        self.joined = True
        self.rebalances += 1
        self._changes.append(Change(kind, partitions))  # type: ignore[arg-type]
        os.eventfd_write(self._bell, 1)

    def start(self) -> None: ...

    def fileno(self) -> int:
        return self._bell

    def poll(self) -> list[Change]:
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return []
        changes, self._changes = self._changes, []
        return changes

    def release(self, partitions: Collection[str]) -> None:
        assert not self._processes(), "it is let go of while a process reads it"
        self.released += partitions

    def close(self) -> None:
        assert not self._processes(), "the others get everything while a process reads"
        self.left = True

    def join(self, deadline: Deadline) -> bool:
        return self.left


def _lives(pid: int) -> bool:
    """Whether the process runs; one that has ended can wait for its exit code to be read."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Node:
    def __init__(self, partition: str, config: Config = CONFIG) -> None:
        self.directions = toy_directions(discovery="answers_with_group", source=partition, sink="works")
        self.supervisor = Supervisor(config, roles=("source",), directions=self.directions)
        self.groups: list[Group] = []
        self.watched: list[int] = []
        """Processes that must not be there when a partition is let go of."""
        self.supervisor.sharing = Sharing(self.supervisor.registry, time.monotonic, self._join)
        self.supervisor.start()
        self.until(lambda: bool(self.groups))

    def _join(self, place: Place, _: Sequence[str]) -> Group:
        self.groups.append(Group(place, lambda: [pid for pid in self.watched if _lives(pid)]))
        return self.groups[-1]

    @property
    def group(self) -> Group:
        return self.groups[-1]

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, self.supervisor.unready()
            self.supervisor.poll(0.1)

    def ready(self, *partitions: str) -> None:
        """Until exactly these have a process, and all are ready."""
        self.until(lambda: self.slots == list(partitions) and self.supervisor.unready() == [])

    @property
    def slots(self) -> list[str]:
        return [slot.task.slot for slot in self.supervisor.slots]

    def pid(self, partition: str) -> int:
        [pid] = [slot.pid for slot in self.supervisor.slots if slot.task.slot == partition]
        assert pid is not None
        return pid


@pytest.fixture
def node() -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def start(partition: str = "works", config: Config = CONFIG) -> Node:
        made.append(Node(partition, config))
        return made[-1]

    yield start
    for each in made:
        each.watched.clear()
        each.supervisor.drain(0.1)
        each.supervisor.exposition.close()


def test_a_node_without_partitions_is_ready(node: Callable[..., Node]) -> None:
    one = node()
    assert one.supervisor.unready() == ["cluster: joining the nodes that share the partitions"]
    one.group.trouble = "Kafka at kafka:9092: no broker answers"
    assert one.supervisor.unready() == ["cluster: Kafka at kafka:9092: no broker answers"]
    one.group.say("gained")
    one.group.members = {"a": ["0"], "b": ["1"], "c": []}
    one.ready()
    assert one.supervisor.status == one.supervisor.notes == "0 of 2 partitions, 3 nodes"
    place = one.group.place
    assert (place.topic, place.group) == ("ingest-positions", "ingest/toys")
    assert place.client_id.endswith(f"/127.0.0.1:{one.supervisor.exposition.port}")
    value = one.supervisor.registry.value
    one.until(lambda: value(CLUSTER_MEMBERS, "ingest/toys") == 3)
    assert value(CLUSTER_PARTITIONS, "ingest/toys") == 2
    assert value(CLUSTER_REBALANCES, "ingest/toys") == 1


def test_partitions_come_and_go(node: Callable[..., Node]) -> None:
    one = node()
    one.group.say("gained", "0", "1")
    one.ready("0", "1")
    assert one.supervisor.status == "receiving 2 of 2 partitions; 2 of 2 partitions"
    assert one.supervisor.registry.value(CLUSTER_OWNED, "ingest/toys") == 2
    stays = one.pid("0")
    one.watched.append(one.pid("1"))
    one.group.say("lost", "1")
    one.until(lambda: one.group.released == ["1"])
    one.ready("0")
    assert one.pid("0") == stays, "the others go on"
    assert one.supervisor.registry.value(CLUSTER_OWNED, "ingest/toys") == 1
    one.group.say("gained", "1")
    one.ready("0", "1")
    text = one.supervisor.exposition.answer("/metrics")[2].decode()
    assert 'ingest_cluster_take_over_seconds_count{group="ingest/toys"} 3.0' in text


def test_a_stolen_partition_s_process_ends_at_once(node: Callable[..., Node]) -> None:
    """Even one that is deaf to a request; and what is stolen is not let go of."""
    one = node("hangs")
    one.group.say("gained", "0")
    one.until(lambda: one.slots == ["0"] and one.supervisor.slots[0].ready)
    pid = one.pid("0")
    one.group.say("stolen", "0")
    one.until(lambda: not _lives(pid))
    one.ready()
    assert one.group.released == []
    one.until(lambda: one.supervisor.ending("source") == [])


def test_a_partition_that_is_lost_and_comes_back_has_one_process_at_a_time(node: Callable[..., Node]) -> None:
    one = node("hangs")
    one.group.say("gained", "0")
    one.until(lambda: one.slots == ["0"] and one.supervisor.slots[0].ready)
    first = one.pid("0")
    one.group.say("stolen", "0")
    one.group.say("gained", "0")
    one.until(lambda: one.slots == ["0"] and one.supervisor.slots[0].pid not in (None, first))
    assert not _lives(first)


def test_a_stop_drains_before_it_leaves(node: Callable[..., Node]) -> None:
    one = node()
    one.group.say("gained", "0", "1")
    one.ready("0", "1")
    one.watched += [one.pid("0"), one.pid("1")]
    assert one.supervisor.drain(PATIENCE)
    assert one.group.left


def test_a_reload_hands_nothing_over(node: Callable[..., Node]) -> None:
    """A partition that is lost meanwhile goes; the others begin again here."""
    one = node()
    one.group.say("gained", "0", "1")
    one.ready("0", "1")
    first, supervisor = one.pid("0"), one.supervisor
    deadline = supervisor.begin_drain(PATIENCE)
    one.group.say("lost", "1")
    one.until(lambda: supervisor.drained(deadline))
    supervisor.start_anew(replace(CONFIG, source=replace(CONFIG.source, topic="other")), ("source",))
    one.ready("0")
    assert one.group.released == ["1"]
    assert one.pid("0") != first
    assert len(one.groups) == 1
    assert not one.group.left


def test_partitions_that_nobody_can_read_are_told_until_there_is_a_place(
    node: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    one = node(config=replace(CONFIG, source=replace(CONFIG.source, topic="0.1.2", partitions_check_seconds=30)))
    one.group.say("gained", "0", "1")
    one.ready("0", "1")
    supervisor = one.supervisor

    def asks(known: list[str], look_again: str) -> None:
        use(one.directions, "look_again", look_again)
        supervisor._watch._next = time.monotonic()
        one.until(lambda: supervisor._question is not None)
        assert supervisor._question is not None
        assert list(supervisor._question.task.facts["known"]) == known
        one.until(lambda: supervisor._question is None)

    asks(["0", "1"], "finds_no_place")
    one.ready("0", "1")
    assert (
        supervisor.status == "receiving 2 of 2 partitions; 2 of 3 partitions; nobody can read some: topic 'p' is small"
    )
    assert caplog.messages.count("No node can read some of the hub's partitions: topic 'p' is small.") == 1
    one.until(
        lambda: supervisor.registry.value(CLUSTER_PARTITIONS, "ingest/toys") == 3
    )  # so that the alert hears of it
    asks([], "finds")
    assert supervisor.status == "receiving 2 of 2 partitions; 2 of 3 partitions"
    assert caplog.messages[-1] == "All partitions of the hub can be read by some node again."
    asks(["0", "1", "2"], "finds")


def test_a_reload_that_ends_the_sharing_leaves_the_others(node: Callable[..., Node]) -> None:
    one = node()
    one.group.say("gained", "1")
    one.ready("1")
    supervisor = one.supervisor
    deadline = supervisor.begin_drain(PATIENCE)
    one.until(lambda: supervisor.drained(deadline))
    supervisor.start_anew(replace(CONFIG, cluster=Cluster()), ("source",))
    one.ready("0", "1")
    assert one.group.left
    assert supervisor.notes is None
    assert "cluster" not in supervisor.exposition.answer("/metrics")[2].decode()
