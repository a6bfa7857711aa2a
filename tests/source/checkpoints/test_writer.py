"""The checkpoint writer: latest position only, paced, never blocking, and one last save. Time moves when told."""

import logging
import random
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.errors import IngestError, Refused, Unreachable
from ingest.source.checkpoints.store import WHATEVER, Before, Changed, Checkpoint, Damaged
from ingest.source.checkpoints.writer import CheckpointWriter
from ingest.timing import Backoff, Deadline

PATIENCE = 20.0
"""Real seconds after which a test gives up; none is ever waited for when the code works."""

INTERVAL = 5.0
WALL = 1_700_000_000.0


class FakeClock:
    """Stands still. `advance` returns when the writer has done all that was due by then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.planned: float | None = None
        """For how long the writer means to wait, in seconds."""
        self._waits = 0
        self._waiting = threading.Condition()
        self._writer: threading.Condition | None = None

    @property
    def writer(self) -> threading.Condition:
        """What the writer waits on."""
        assert self._writer is not None
        return self._writer

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return WALL + self.now

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        with self._waiting:
            self._writer = condition
            self.planned = seconds
            self._waits += 1
            self._waiting.notify_all()
        condition.wait(PATIENCE)

    def advance(self, seconds: float = 0.0) -> None:
        with self._waiting:
            assert self._waiting.wait_for(lambda: self._writer is not None, PATIENCE)
        with self.writer:
            waits = self._waits
            self.now += seconds
            self.writer.notify_all()
        with self._waiting:
            assert self._waiting.wait_for(lambda: self._waits > waits, PATIENCE)


class FakeStore:
    """Remembers saves; fails or hangs on request."""

    def __init__(self) -> None:
        self.saved: list[int | None] = []
        self.attempts = self.loads = 0
        self.state: Checkpoint | None = None
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def save(self, checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        self.attempts += 1
        self.entered.release()
        assert self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        if over is not WHATEVER and (over and over.tag) != (self.state and self.state.tag):
            raise Changed("3", self.state)
        self.saved.append(checkpoint.sequence_number)
        self.state = replace(checkpoint, tag=object())
        return self.state

    def load(self, partition: str) -> Checkpoint | None:
        self.loads += 1
        if self.error is not None:
            raise self.error
        return self.state

    def load_all(self, damaged: list[Damaged] | None = None) -> list[Checkpoint]:
        raise NotImplementedError

    def delete(self, partition: str) -> None:
        raise NotImplementedError

    def check(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def at(number: int | None) -> Checkpoint:
    return Checkpoint("3", str(number), number)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def writer(clock: FakeClock, store: FakeStore) -> Iterator[CheckpointWriter]:
    writer = CheckpointWriter(
        store, INTERVAL, partition="3", clock=clock, backoff=Backoff(1.0, 30.0, rng=random.Random(1))
    )
    writer.start()
    clock.advance()
    yield writer
    store.gate.set()
    writer.terminate()
    assert writer.join(Deadline(PATIENCE))


def test_first_at_once_then_one_per_interval_and_the_latest_only(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    writer.offer(at(1))
    clock.advance()
    assert store.saved == [1]
    for number in range(2, 10):
        writer.offer(at(number))
    clock.advance(INTERVAL - 0.1)
    assert store.saved == [1]
    assert clock.planned == pytest.approx(0.1)
    assert writer.pending
    clock.advance(0.1)
    assert store.saved == [1, 9]
    assert not writer.pending
    assert writer.writes == 2
    assert writer.last_written == Checkpoint("3", "9", 9, WALL + clock.now)


def test_the_thread_is_woken_for_the_first_of_many_offers_only(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.offer(at(1))
    clock.advance()
    woken: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr(clock.writer, "notify", lambda: woken.append(True))
        writer.offer(at(1))
        assert not woken, "it is saved"
        for number in range(2, 10):
            writer.offer(at(number))
    assert woken == [True], "who knows of 2 wakes when the interval is over"
    clock.advance(INTERVAL)
    assert store.saved == [1, 9]


def test_nothing_new_is_not_written_again(writer: CheckpointWriter, clock: FakeClock, store: FakeStore) -> None:
    writer.offer(at(1))
    clock.advance()
    writer.offer(at(1))
    clock.advance(10 * INTERVAL)
    assert store.saved == [1]
    assert clock.planned is None


def test_what_is_offered_last_is_saved_also_when_a_hub_numbers_anew(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    for number in (5, 6, 2):
        writer.offer(at(number))
        clock.advance(INTERVAL)
    assert store.saved == [5, 6, 2]


def test_positions_without_a_number_are_taken_as_they_come(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    for number in (5, None):
        writer.offer(at(number))
        clock.advance(INTERVAL)
    assert store.saved == [5, None]


def test_offer_does_not_wait_for_a_store_that_hangs(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    store.gate.clear()
    writer.offer(at(1))
    assert store.entered.acquire(timeout=PATIENCE)
    for number in range(2, 1000):
        writer.offer(at(number))
    assert store.attempts == 1
    store.gate.set()
    clock.advance()
    clock.advance(INTERVAL)
    assert store.saved == [1, 999]


@pytest.mark.parametrize("error", [Unreachable("store away"), Refused("store away"), RuntimeError("store away")])
def test_failures_are_counted_and_tried_again_with_the_latest(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, error: Exception
) -> None:
    store.error = error
    writer.offer(at(1))
    clock.advance()
    assert (writer.writes, writer.failures, store.attempts) == (0, 1, 1)
    assert writer.last_error == ("store away" if isinstance(error, IngestError) else _BUG)
    assert writer.last_written is None
    writer.offer(at(2))
    clock.advance()
    assert store.attempts == 1, "a new position does not cut the back-off short"
    store.error = None
    clock.advance(1.0)
    assert store.saved == [2]
    assert writer.last_error is None
    writer.offer(at(3))
    clock.advance(INTERVAL - 0.1)
    assert store.saved == [2]


_BUG = "the checkpoint store failed with RuntimeError"


def test_back_off_grows_to_thirty_seconds(writer: CheckpointWriter, clock: FakeClock, store: FakeStore) -> None:
    store.error = Unreachable("store away")
    writer.offer(at(1))
    clock.advance()
    waits = []
    for _ in range(40):
        assert clock.planned is not None
        waits.append(clock.planned)
        clock.advance(clock.planned)
    assert writer.failures == 41
    assert max(waits[:3]) <= 4
    assert 20 < max(waits) <= 30
    assert len(set(waits)) == len(waits), "jitter"
    store.error = None
    clock.advance(30)
    assert store.saved == [1]
    store.error = Unreachable("store away")
    writer.offer(at(2))
    clock.advance(INTERVAL)
    assert clock.planned is not None
    assert clock.planned <= 1, "a save that worked makes the next wait short again"


def test_log_first_failure_then_every_ten_seconds_then_recovery(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.error = Unreachable("store away")
    writer.offer(at(1))
    clock.advance()
    assert [record.getMessage() for record in caplog.records] == ["checkpoint not saved, ingestion goes on: store away"]
    started = clock.now
    while clock.now < started + 100:
        assert clock.planned is not None
        clock.advance(clock.planned)
    warnings = [record.getMessage() for record in caplog.records]
    assert 2 < len(warnings) <= 12
    assert any("failures more since" in line for line in warnings)
    store.error = None
    clock.advance(30)
    assert caplog.records[-1].getMessage() == "partition 3: checkpoints are saved again"
    caplog.clear()
    store.error = Unreachable("away again")
    writer.offer(at(2))
    clock.advance(INTERVAL)
    assert [record.getMessage() for record in caplog.records] == ["checkpoint not saved, ingestion goes on: away again"]


def test_close_saves_the_last_position_without_waiting_for_the_interval(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    writer.offer(at(1))
    clock.advance()
    writer.offer(at(2))
    writer.close(Deadline(30, clock=clock.monotonic))
    writer.offer(at(3))
    assert writer.join(Deadline(PATIENCE))
    assert store.saved == [1, 2]


def test_close_with_nothing_to_save(writer: CheckpointWriter, store: FakeStore) -> None:
    writer.close(Deadline(0))
    assert writer.join(Deadline(PATIENCE))
    assert store.attempts == 0


def other(number: int) -> Checkpoint:
    """What another process has saved."""
    return replace(at(number), tag=object(), place="there")


def test_a_newer_state_of_another_process_is_never_saved_over(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    writer.offer(at(100))
    clock.advance()
    store.state = other(21_299)
    writer.offer(at(1_299))
    clock.advance(INTERVAL)
    assert writer.overtaken == store.state
    assert "another process has saved sequence number 21299 in there, and this one stands at 1299" in caplog.text
    writer.offer(at(1_400))
    clock.advance(INTERVAL)
    assert store.saved == [100]
    writer.look()
    clock.advance()
    assert writer.looked() == (store.state, True)
    writer.offer(at(21_300))
    clock.advance(INTERVAL)
    assert store.saved == [100, 21_300]


def test_who_was_overtaken_saves_nothing_at_the_end(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    writer.offer(at(100))
    clock.advance()
    store.state = other(21_299)
    writer.offer(at(1_299))
    clock.advance(INTERVAL)
    writer.offer(at(1_400))
    writer.close(Deadline(30, clock=clock.monotonic))
    assert writer.join(Deadline(PATIENCE))
    assert store.saved == [100]


def test_an_older_state_of_another_process_is_saved_over(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    writer.offer(at(100))
    clock.advance()
    store.state = other(7)
    writer.offer(at(110))
    clock.advance(INTERVAL)
    assert (store.saved, writer.overtaken) == ([100, 110], None)
    assert "was set to sequence number 7 by another process. It is set to 110." in caplog.text


@pytest.mark.parametrize(("found", "kept"), [(7, 100), (300, 300), (None, None)])
def test_close_compares_the_store_also_when_nothing_is_pending(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, found: int | None, kept: int | None
) -> None:
    """What is gone was taken away by somebody."""
    writer.offer(at(100))
    clock.advance()
    store.state = None if found is None else other(found)
    writer.close(Deadline(30, clock=clock.monotonic))
    assert writer.join(Deadline(PATIENCE))
    assert (store.state and store.state.sequence_number) == kept


def test_close_asks_a_store_that_is_away_only_once(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    writer.offer(at(100))
    clock.advance()
    store.error = Unreachable("store away")
    writer.close(Deadline(30, clock=clock.monotonic))
    assert writer.join(Deadline(PATIENCE))
    assert store.loads == 1


@pytest.mark.parametrize("theirs", [None, 5, 500])
def test_after_a_look_what_was_offered_before_is_forgotten(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, theirs: int | None
) -> None:
    writer.offer(at(100))
    clock.advance()
    writer.offer(at(120))
    if theirs is not None:
        store.state = other(theirs)
    writer.look()
    writer.offer(at(130))
    clock.advance()
    looked = writer.looked()
    assert looked is not None
    assert looked.changed is (theirs is not None)
    assert looked.checkpoint == store.state
    assert writer.looked() is None
    clock.advance(INTERVAL)
    assert store.saved == [100]
    writer.offer(at(600))
    clock.advance(INTERVAL)
    assert store.saved == [100, 600]


def test_a_look_is_tried_until_the_store_answers(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = Damaged("3", "it is empty")
    writer.look()
    clock.advance()
    assert writer.last_error == "it is empty"
    assert "checkpoint not read, nothing is received: it is empty" in caplog.text
    assert writer.looked() is None
    store.error = None
    assert clock.planned is not None
    clock.advance(clock.planned)
    assert writer.looked() == (None, False)


def test_a_damaged_checkpoint_under_a_process_that_owns_it_is_mended(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.offer(at(100))
    clock.advance()
    store.state = other(100)
    real = store.save

    def damaged(checkpoint: Checkpoint, over: Before = WHATEVER) -> Checkpoint:
        if over is not WHATEVER:
            raise Changed("3", None, "it is empty")
        return real(checkpoint, over)

    monkeypatch.setattr(store, "save", damaged)
    writer.offer(at(110))
    clock.advance(INTERVAL)
    assert store.saved == [100, 110]


def test_close_takes_what_was_offered_during_a_save(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    store.gate.clear()
    writer.offer(at(1))
    assert store.entered.acquire(timeout=PATIENCE)
    writer.offer(at(2))
    writer.close(Deadline(30, clock=clock.monotonic))
    assert not writer.join(Deadline(0))
    store.gate.set()
    assert writer.join(Deadline(PATIENCE))
    assert store.saved == [1, 2]


def test_close_tries_until_its_deadline_and_not_after(
    writer: CheckpointWriter, clock: FakeClock, store: FakeStore
) -> None:
    store.error = Unreachable("store away")
    writer.offer(at(1))
    clock.advance()
    writer.close(Deadline(3, clock=clock.monotonic))
    clock.advance()
    assert store.attempts == 2
    end = clock.now + 3
    while clock.planned and clock.now + clock.planned < end:
        clock.advance(clock.planned)
    attempts = store.attempts
    assert attempts > 2
    clock.now = end
    writer.close(Deadline(30, clock=clock.monotonic))  # a second close does not move the deadline; it wakes the writer
    assert writer.join(Deadline(PATIENCE))
    assert store.attempts == attempts
    assert store.saved == []


def test_close_saves_once_even_if_late(writer: CheckpointWriter, clock: FakeClock, store: FakeStore) -> None:
    writer.offer(at(1))
    clock.advance()
    writer.offer(at(2))
    writer.close(Deadline(0, clock=clock.monotonic))
    assert writer.join(Deadline(PATIENCE))
    assert store.saved == [1, 2]


def test_terminate_saves_nothing_more(writer: CheckpointWriter, clock: FakeClock, store: FakeStore) -> None:
    writer.offer(at(1))
    clock.advance()
    writer.offer(at(2))
    writer.terminate()
    assert writer.join(Deadline(PATIENCE))
    assert store.saved == [1]


def test_join_of_one_that_never_started(store: FakeStore) -> None:
    assert CheckpointWriter(store, INTERVAL).join(Deadline(0))


def test_with_the_real_clock(store: FakeStore) -> None:
    writer = CheckpointWriter(store, 0.001)
    writer.start()
    for number in range(100):
        writer.offer(at(number))
    writer.close(Deadline(PATIENCE))
    assert writer.join(Deadline(PATIENCE))
    assert store.saved[-1] == 99
