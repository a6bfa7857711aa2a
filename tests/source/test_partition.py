"""The loop of a partition process, between an emulated hub and librdkafka's mock cluster, while others have their turn."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

from ingest.config import Checkpoints, Config, Kafka
from ingest.emulator import Emulator
from ingest.kafka.mock_cluster import MockCluster
from ingest.process.child import Child, ProcessSpec
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.partition import PartitionProcess
from ingest.source.preflight import Topics
from ingest.source.transport.fast import READ_BYTES
from ingest.timing import Deadline
from tests.source.readers import PARTITION, PATIENCE, configured

BODY = b"x" * 1_000
BACKLOG = 1_000
LONG_SECONDS = 2.0


class LastInLine(Child):
    """A child whose turn comes when the test says so."""

    def __init__(self, config: Config) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("source", PARTITION, "", config), pipe)
        self.wanted = False
        self.granted = threading.Event()

    def want_turn(self) -> None:
        self.wanted = True

    def wait_for_turn(self, seconds: float) -> bool:
        return self.granted.wait(seconds)

    def read(self) -> None:
        """What a supervisor does: the pipe must not fill up."""
        while self._supervisor.poll():
            self._supervisor.recv()


@pytest.fixture
def child(emulator: Emulator, cluster: MockCluster, tmp_path: Path) -> LastInLine:
    return LastInLine(
        replace(
            configured(emulator, "fast"),
            kafka=Kafka(bootstrap_servers=cluster.bootstrap),
            checkpoints=Checkpoints(store="file", path=tmp_path),
        )
    )


@pytest.fixture
def process(child: LastInLine, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[PartitionProcess]:
    """It has a backlog as soon as one read of its socket is full."""
    monkeypatch.setattr("ingest.source.transport.fast.TURN_BYTES", READ_BYTES)
    emulator.send_many(("dev-1", BODY, {}) for _ in range(BACKLOG))
    store = open_store(child.task.config.checkpoints, scope(child.task.config))
    made = PartitionProcess(child, store, None, Topics(None, 1))
    made.start()
    yield made
    made.close(Deadline(LONG_SECONDS))


def until(child: LastInLine, process: PartitionProcess, reached: Callable[[], bool]) -> None:
    deadline = Deadline(PATIENCE)
    while not reached():
        assert not deadline.expired, (process.receiver.events, process.delivery.acked, process.shares.take())
        process.poll()
        child.read()


def test_what_was_read_before_a_turn_goes_to_kafka_and_the_rest_waits_for_it(
    child: LastInLine, process: PartitionProcess
) -> None:
    until(child, process, lambda: child.wanted and process.delivery.idle)
    read = process.receiver.events
    assert process.delivery.acked == read < BACKLOG
    process.poll()
    assert process.receiver.events == read
    child.granted.set()
    until(child, process, lambda: process.delivery.acked == BACKLOG)


def test_waiting_for_a_turn_with_records_on_their_way_is_waiting_for_kafka(
    child: LastInLine, process: PartitionProcess, cluster: MockCluster
) -> None:
    cluster.set_down(1)
    until(child, process, lambda: child.wanted)
    until(child, process, lambda: process.shares.take()["kafka_queue"] > 0.5)
    assert process.receiver.events < BACKLOG
    cluster.set_up(1)
    until(child, process, lambda: process.delivery.idle)
    assert process.delivery.acked == process.receiver.events
