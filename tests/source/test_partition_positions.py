"""Where whole partition processes begin and go on, one after another, while the hub changes behind their backs."""

import gc
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from ingest.config import At, Checkpoints, Config, Kafka, Latest
from ingest.emulator import Emulator
from ingest.errors import Unreachable
from ingest.hub import event_hubs
from ingest.kafka.mock_cluster import MockCluster
from ingest.process.child import Child, ProcessSpec
from ingest.source import partition
from ingest.source.checkpoints import Checkpoint, CheckpointStore, open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.checkpoints.store import WHATEVER, Before
from ingest.source.preflight import Topics
from ingest.timing import Backoff, Deadline
from tests.source.checkpoints.contract import without_time
from tests.source.readers import PARTITION, PATIENCE, configured, fill

STALL_SECONDS = 1.0


class Life(Child):
    """One process of the partition, on a thread."""

    process: partition.PartitionProcess
    """Once it has found where to begin."""

    def __init__(self, config: Config, **facts: object) -> None:
        self._supervisor, pipe = Pipe()
        # To ask a mock cluster for the topic's limits takes 5 s.
        super().__init__(ProcessSpec("source", PARTITION, "", config, {"topics": Topics(None, 1), **facts}), pipe)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        try:
            partition.run(self)
        except BaseException as error:
            self.error = error

    def want_turn(self) -> None:
        self._turn.set()

    def says(self, words: str) -> None:
        """Waits until a reason not to be ready has these words."""
        deadline = Deadline(PATIENCE)
        while True:
            assert self.error is None, self.error
            assert not deadline.expired
            if self._supervisor.poll(0.1):
                kind, ready, detail, *_ = self._supervisor.recv()
                if kind == "beat" and not ready and words in detail:
                    return

    def until(self, reached: Callable[[partition.PartitionProcess], object]) -> None:
        deadline = Deadline(PATIENCE)
        while not (hasattr(self, "process") and reached(self.process)):
            while self._supervisor.poll():
                self._supervisor.recv()
            assert self.error is None, self.error
            assert not deadline.expired
            self.thread.join(0.01)


@pytest.fixture(autouse=True)
def _processes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(partition.PartitionProcess):
        def __init__(self, child: Life, *arguments: Any) -> None:
            super().__init__(child, *arguments)
            child.process = self

    monkeypatch.setattr(partition, "PartitionProcess", Seen)


def attached(process: partition.PartitionProcess) -> bool:
    return process.receiver.attached


def acked(count: int) -> Callable[[partition.PartitionProcess], bool]:
    return lambda process: process.delivery.acked >= count


@pytest.fixture
def config(emulator: Emulator, cluster: MockCluster, tmp_path: Path) -> Config:
    basic = configured(emulator, "fast")
    return replace(
        basic,
        source=replace(basic.source, stall_seconds=STALL_SECONDS),
        kafka=Kafka(bootstrap_servers=cluster.bootstrap),
        checkpoints=Checkpoints(store="file", path=tmp_path, interval_seconds=0.1),
    )


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.fixture
def store(config: Config) -> CheckpointStore:
    return open_store(config.checkpoints, scope(config))


@contextmanager
def life(config: Config, **facts: object) -> Iterator[Life]:
    """A process that is stopped at the end as gracefully as there is time for; what it had not saved by then is."""
    made = Life(config, **facts)
    made.thread.start()
    try:
        yield made
    finally:
        made.stop(10.0)
        made.thread.join(PATIENCE)
        if hasattr(made, "process"):
            made.process.question.join(PATIENCE)
    assert made.error is None


def begin(config: Config, start: Latest | At) -> Config:
    return replace(config, source=replace(config.source, start=start))


def saved(store: CheckpointStore) -> Checkpoint | None:
    return without_time(store.load(PARTITION))


def delivered(cluster: MockCluster, *lives: Life) -> list[int]:
    """The counters in the bodies of all records that these processes have sent, in order."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("iotin", 0, 0)])
    found: list[int] = []
    deadline = Deadline(PATIENCE)
    while len(found) < sum(each.process.delivery.acked for each in lives) and not deadline.expired:
        found += [
            json.loads(json.loads(each.value() or b"")["content"])["n"] for each in consumer.consume(500, timeout=0.2)
        ]
    consumer.close()
    return found


NOW = At(datetime.now(UTC))


@pytest.mark.parametrize(
    ("start", "before"), [(Latest(), "nothing"), (Latest(), "held"), (Latest(), "expired"), (NOW, "held")]
)
def test_a_place_that_moves_is_kept_before_anything_is_read_and_survives_a_replacement(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, start: Latest | At, before: str
) -> None:
    if before != "nothing":
        emulator.hub.publish("dev-1", b'{"n":77}', enqueued_at_ms=1_000)
    if before == "expired":
        emulator.faults.expire()
    config = begin(config, start)
    with life(config) as first:
        first.until(attached)
    assert saved(store) == Checkpoint(PARTITION, *(("0", 0) if before != "nothing" else ("-1", -1)))
    fill(emulator, 3)
    with life(config) as second:
        second.until(acked(3))
    assert delivered(cluster, second) == [0, 1, 2]


def test_the_place_is_kept_although_the_store_is_away_at_first(
    emulator: Emulator,
    cluster: MockCluster,
    config: Config,
    store: CheckpointStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = iter([Unreachable("the store is away"), Unreachable("the store is away")])

    class Shaky(type(store)):  # type: ignore[misc]
        def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
            if (failure := next(failures, None)) is not None:
                raise failure
            saved: Checkpoint = super().save(checkpoint, over)
            return saved

    monkeypatch.setattr(partition, "open_store", lambda settings, scope, _: Shaky(settings.path, scope))
    with life(begin(config, Latest())) as first:
        first.until(attached)
    assert caplog.text.count("the store is away. Trying again.") == 2
    assert saved(store) == Checkpoint(PARTITION, "-1", -1)


@pytest.mark.parametrize("state", ["latest", "expired"])
def test_silence_of_a_hub_that_owes_nothing_is_no_stall(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, state: str
) -> None:
    emulator.hub.publish("dev-1", b'{"n":77}')
    if state == "expired":
        emulator.faults.expire()
    if state == "latest":
        config = begin(config, Latest())
    with life(config) as process:
        process.until(attached)
        accepted = emulator.stats().connections_accepted
        # Each question is a connection of its own: so many mean that several whole periods of silence have passed.
        process.until(lambda _: emulator.stats().connections_accepted >= accepted + 5)
        process.until(lambda it: it.backlog == 0)
        fill(emulator, 1)
        process.until(acked(1))
        assert not process.process.receiver.reconnects
        assert process.process.backlog == 0
    assert delivered(cluster, process) == [0]


def recreate(emulator: Emulator, events: int, width: int) -> None:
    """Another hub under the old name, whose bodies are `width` bytes wider than those of `fill`."""
    emulator.faults.recreate()
    emulator.send_many(("dev-1", b'{"n":%d}' % n + b" " * width, {"level": "high"}) for n in range(events))


@pytest.mark.parametrize(("events", "width"), [(10, 0), (60, 0)])
def test_a_hub_that_is_recreated_between_two_processes_is_read_from_its_oldest_event(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, events: int, width: int
) -> None:
    """Whether its new log is shorter than the old one or has grown past the position already."""
    fill(emulator, 50)
    with life(config, created_ms=emulator.hub.created_ms) as first:
        first.until(acked(50))
    emulator.hub.created_ms += 60_000
    recreate(emulator, events, width)
    with life(config) as second:
        second.until(acked(events))
        second.until(lambda _: (kept := store.load(PARTITION)) and kept.hub_created_ms == emulator.hub.created_ms)
        newest = event_hubs.standing(config, PARTITION).position
        second.until(lambda _: saved(store) == Checkpoint(PARTITION, newest.offset, newest.sequence_number))
        assert (second.process.receiver.gaps, second.process.receiver.duplicates) == (1, 0)
    assert delivered(cluster, first, second)[-events:] == list(range(events))


@pytest.mark.parametrize(("events", "width"), [(10, 0), (60, 0)])
def test_a_hub_that_is_recreated_under_a_living_process_is_read_from_its_oldest_event(
    emulator: Emulator,
    cluster: MockCluster,
    config: Config,
    store: CheckpointStore,
    events: int,
    width: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(emulator, 50)
    with life(config, created_ms=emulator.hub.created_ms) as process:
        process.until(acked(50))
        emulator.hub.created_ms += 60_000
        process.process.question.join(PATIENCE)
        recreate(emulator, events, width)
        process.until(lambda it: it.receiver.gaps == 1)
        process.until(lambda _: (found := saved(store)) and found.sequence_number == events - 1)
    assert "numbers its events anew" in caplog.text
    assert delivered(cluster, process)[-events:] == list(range(events))


def test_a_recreated_hub_that_is_silent_moves_the_checkpoint_before_its_first_event(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore
) -> None:
    """A process that is killed then leaves a place from which all of the new log is read."""
    fill(emulator, 50)
    with life(config, created_ms=emulator.hub.created_ms) as process:
        process.until(acked(50))
        # The client leaves a socket open when its connection ends under a question.
        process.process.question.join(PATIENCE)
        recreate(emulator, 0, 0)
        process.until(lambda _: saved(store) == Checkpoint(PARTITION, "-1", -1))
        fill(emulator, 3)
        process.until(acked(53))
    assert delivered(cluster, process)[50:] == [0, 1, 2]


def test_a_foreign_checkpoint_older_than_the_hub_is_another_hub_s(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore
) -> None:
    fill(emulator, 5)
    store.save(Checkpoint(PARTITION, "0", 2))
    with life(config, created_ms=emulator.hub.created_ms + 3_600_000) as process:
        process.until(acked(5))
    assert delivered(cluster, process) == [0, 1, 2, 3, 4]


def test_a_jump_over_what_the_hub_holds_proves_another_numbering(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """An offset that is further on in the new log than in the old one; nobody can say when the hub was made."""
    fill(emulator, 50)
    offset = 30 * int(event_hubs.standing(config, PARTITION).newest_offset) // 49
    store.save(Checkpoint(PARTITION, str(offset), 5))
    with life(config) as process:
        process.until(acked(50))
    assert "it holds sequence number 0, and sent" in caplog.text
    assert delivered(cluster, process)[-50:] == list(range(50))


@pytest.mark.parametrize("transport", ["fast", "sdk"])
def test_who_lost_its_link_to_another_goes_on_where_that_one_stopped(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, transport: str
) -> None:
    config = replace(config, source=replace(config.source, transport=transport))
    fill(emulator, 50)
    with life(config) as first:
        first.until(lambda _: (kept := saved(store)) and kept.sequence_number == 49)
        with life(config) as second:
            second.until(attached)
            fill(emulator, 50, first=50)
            second.until(acked(50))
            second.until(lambda _: (kept := saved(store)) and kept.sequence_number == 99)
        fill(emulator, 10, first=100)
        first.until(acked(60))
        first.until(lambda _: (kept := saved(store)) and kept.sequence_number == 109)
        assert first.process.receiver.gaps == 0
    assert delivered(cluster, first, second) == list(range(110))


@pytest.mark.parametrize("content", [b"", b"[" * 60_000, b'{"partition":"0","offset":null,"sequence_number":null}'])
def test_a_damaged_checkpoint_is_waited_for_in_words_until_it_is_mended(
    emulator: Emulator,
    cluster: MockCluster,
    config: Config,
    store: CheckpointStore,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.process.waiting.Backoff", lambda first, most: Backoff(0.05, 0.1))
    fill(emulator, 3)
    store.save(Checkpoint(PARTITION, "0", 0))
    [file] = config.checkpoints.path.rglob("0.json")
    file.write_bytes(content)
    with life(config) as process:
        process.says("--partition 0 --yes")
        assert file.read_bytes() == content
        store.delete(PARTITION)
        process.until(acked(3))


def test_a_lease_is_kept_as_a_checkpoint_at_once(
    emulator: Emulator, cluster: MockCluster, config: Config, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(emulator, 5)

    class WithLease(type(store)):  # type: ignore[misc]
        def load(self, partition: str) -> Checkpoint:
            return Checkpoint(partition, None, 2, place="$Default/0", lease=True)

    monkeypatch.setattr(partition, "open_store", lambda settings, scope, _: WithLease(settings.path, scope))
    kept = store
    cluster.set_down(1)
    with life(config) as process:
        process.until(lambda _: kept.load(PARTITION) is not None)
        assert saved(kept) == Checkpoint(PARTITION, None, 2)
        cluster.set_up(1)
        process.until(acked(2))
    assert delivered(cluster, process) == [3, 4]


def test_an_added_partition_is_read_from_its_oldest_event_by_the_next_service_too(
    emulator: Emulator, config: Config, store: CheckpointStore
) -> None:
    with life(config, added=True) as first:
        first.until(attached)
        assert without_time(store.load(PARTITION)) == Checkpoint(PARTITION, "-1", -1)
    fill(emulator, 3)
    with life(begin(config, Latest())) as second:
        second.until(acked(3))
