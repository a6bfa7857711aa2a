"""The graceful end of a partition process that Kafka or the checkpoint store does not answer."""

import threading
import time
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

from ingest.config import Checkpoints, Cluster, Config, Kafka
from ingest.emulator import Emulator
from ingest.kafka.mock_cluster import MockCluster
from ingest.process.child import Child, ProcessSpec
from ingest.source import partition
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.partition import PartitionProcess
from ingest.source.preflight import Topics
from ingest.timing import Deadline
from tests.source.readers import PARTITION, PATIENCE, configured

EVENTS = 50
SECONDS = 2.0


class Ending(Child):
    """A child that keeps what it says that it could not save."""

    def __init__(self, config: Config) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("source", PARTITION, "", config), pipe)
        self.lost: list[str] = []

    def want_turn(self) -> None: ...

    def wait_for_turn(self, seconds: float) -> bool:
        return True

    def unsaved(self, sentence: str) -> None:
        self.lost.append(sentence)

    def beat(self, ready: bool, detail: str) -> None: ...


@pytest.fixture
def child(emulator: Emulator, cluster: MockCluster, tmp_path: Path) -> Ending:
    return Ending(
        replace(
            configured(emulator, "fast"),
            kafka=Kafka(bootstrap_servers=cluster.bootstrap),
            checkpoints=Checkpoints(store="file", path=tmp_path, interval_seconds=3600),
        )
    )


@pytest.fixture
def process(child: Ending, emulator: Emulator) -> PartitionProcess:
    return started(child, emulator)


def started(child: Ending, emulator: Emulator) -> PartitionProcess:
    """It has sent some events, and the checkpoint of the first that Kafka had is written."""
    made = PartitionProcess(
        child, open_store(child.task.config.checkpoints, scope(child.task.config)), None, Topics(None, 1)
    )
    made.start()
    send(emulator, made)
    return made


def send(emulator: Emulator, process: PartitionProcess) -> None:
    """And until Kafka has them, and the process knows."""
    expected = process.delivery.acked + EVENTS
    emulator.send_many(("dev-1", b"x", {}) for _ in range(EVENTS))
    deadline = Deadline(PATIENCE)
    while process.delivery.acked < expected or not process.writer.writes:
        assert not deadline.expired
        process.poll()


def test_a_node_of_several_heeds_a_stop_at_once_while_no_event_comes(
    child: Ending, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    child.task = replace(child.task, config=replace(child.task.config, cluster=Cluster(coordination="kafka")))
    process = started(child, emulator)
    monkeypatch.setattr(partition, "EVENT_WAIT_SECONDS", PATIENCE)
    stopping = threading.Timer(0.1, child.stop, (PATIENCE,))
    stopping.start()
    began = time.monotonic()
    while not child.stopping:
        process.poll()
    assert time.monotonic() - began < PATIENCE / 2
    process.close(Deadline(PATIENCE))


def saved(child: Ending) -> int | None:
    store = open_store(child.task.config.checkpoints, scope(child.task.config))
    found = store.load(PARTITION)
    assert found is not None
    return found.sequence_number


def send_into_silence(emulator: Emulator, process: PartitionProcess, cluster: MockCluster) -> None:
    """Returns when some events are on their way to a broker that does not answer."""
    cluster.set_rtt(1, PATIENCE)
    emulator.send_many(("dev-1", b"x", {}) for _ in range(EVENTS))
    deadline = Deadline(PATIENCE)
    while process.delivery.idle:
        assert not deadline.expired
        process.poll()


def test_what_kafka_has_is_saved_though_it_takes_no_more(
    child: Ending, process: PartitionProcess, emulator: Emulator, cluster: MockCluster
) -> None:
    send(emulator, process)
    send_into_silence(emulator, process, cluster)
    process.close(Deadline(SECONDS))
    cluster.set_rtt(1, 0)
    assert saved(child) == 2 * EVENTS - 1, "of both lots that Kafka has, with time left for it"
    [told] = child.lost
    assert told.endswith("records are not acknowledged by Kafka, and are sent again after the next start")


def test_what_another_process_sends_now_is_not_told_as_unsaved(
    child: Ending, process: PartitionProcess, emulator: Emulator, cluster: MockCluster
) -> None:
    send_into_silence(emulator, process, cluster)
    process.leave(Deadline(0.2))
    cluster.set_rtt(1, 0)
    assert child.lost == []


def test_a_store_that_does_not_answer_is_told(
    child: Ending, process: PartitionProcess, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(emulator, process)
    monkeypatch.setattr(type(process.writer._store), "save", lambda *_: time.sleep(PATIENCE))
    deadline = Deadline(SECONDS + PATIENCE / 2)
    process.close(Deadline(SECONDS))
    assert not deadline.expired
    [told] = child.lost
    assert told.startswith("the last checkpoint is not written (the store has not answered)")
