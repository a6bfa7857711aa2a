import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.sink.pacing import shared_rate
from ingest.sink.pacing.rate import BURST_SECONDS, HEADROOM, PACKED_BYTES
from ingest.sink.pacing.shared_rate import CONTENDED_SECONDS, SharedRate

RATE = 1000.0
EACH = 5_000


@pytest.fixture
def path() -> Iterator[Path]:
    shared = shared_rate.create(RATE, now=0.0)
    yield shared.path
    assert shared.path.exists()


def take_all(path: Path, now: float) -> int:
    process = SharedRate(path, clock=lambda: now)
    granted, _ = process.take(10_000)
    process.close()
    return granted


def test_processes_share_one_budget(path: Path) -> None:
    now = 0.0
    first, second = (SharedRate(path, clock=lambda: now) for _ in range(2))
    assert first.take(5)[0] == 1
    assert second.take(5)[0] == 0
    now = 10.0
    assert first.take(20)[0] == 20
    granted, wait = second.take(10_000)
    assert granted == int(RATE * HEADROOM * BURST_SECONDS) - 20
    assert 0.0 <= wait <= 1 / (RATE * HEADROOM)
    first.close()
    second.close()


def test_what_one_process_learns_all_know(path: Path) -> None:
    now = 1.0
    first, second = (SharedRate(path, clock=lambda: now) for _ in range(2))
    for _ in range(10):
        first.answered(1.0, throttled=True)
        second.answered(1.0, throttled=False)
    first.take(0)
    second.take(0)
    now = 2.0
    second.take(0)
    assert second.rate == pytest.approx(RATE * HEADROOM * 0.5, rel=0.03)
    first.take(0)
    assert first.rate == second.rate
    first.close()
    second.close()


def test_a_pause_stops_all(path: Path) -> None:
    now = 1.0
    first, second = (SharedRate(path, clock=lambda: now) for _ in range(2))
    first.pause(60.0)
    assert first.take(1) == (0, 60.0)
    assert second.take(1) == (0, 60.0)
    now = 61.0
    assert second.take(1)[0] == 1
    first.close()
    second.close()


def hold_the_lock(path: Path, pipe: Connection) -> None:
    process = SharedRate(path)
    with process._locked() as locked:
        # Half a state, in the place that is not in force.
        start = 1 + (1 - process._map[0]) * PACKED_BYTES
        process._map[start : start + 20] = b"\xff" * 20
        pipe.send(locked)
        signal.pause()


def test_a_process_killed_while_it_holds_the_lock_blocks_nobody(path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=hold_the_lock, args=(path, theirs))
    child.start()
    try:
        assert ours.poll(30)
        assert ours.recv() is True
        process = SharedRate(path, clock=lambda: 10.0)
        assert process.take(1) == (0, CONTENDED_SECONDS)
        process.answered(9.0, throttled=False)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join(30)
        assert process.take(1)[0] == 1
        process.close()
    finally:
        child.kill()
        child.join(30)
        child.close()
        ours.close()
        theirs.close()


def race(path: Path, pipe: Connection) -> None:
    process = SharedRate(path)
    pipe.send("ready")
    pipe.recv()
    taken = 0
    while taken < EACH:
        granted, wait = process.take(7)
        taken += granted
        pipe.poll(min(wait, 0.001))
    pipe.send(taken)
    process.close()


def test_processes_that_race_never_take_more_than_there_is() -> None:
    fast = 20_000.0
    shared = shared_rate.create(fast, monotonic())
    context = multiprocessing.get_context("spawn")
    pipes = [multiprocessing.Pipe() for _ in range(2)]
    children = [context.Process(target=race, args=(shared.path, theirs)) for _, theirs in pipes]
    for child in children:
        child.start()
    try:
        for ours, _ in pipes:
            assert ours.poll(30)
            ours.recv()
        start = monotonic()
        for ours, _ in pipes:
            ours.send("go")
        taken = [ours.recv() if ours.poll(30) else 0 for ours, _ in pipes]
        elapsed = monotonic() - start
    finally:
        for child in children:
            child.join(30)
            child.kill()
            child.join(30)
            child.close()
        for pipe in pipes:
            for end in pipe:
                end.close()
    assert min(taken) >= EACH
    assert sum(taken) <= fast * BURST_SECONDS + fast * elapsed


class AnyInterleaving(RuleBasedStateMachine):
    """Processes that come, ask, answer, and are killed without a word, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.shared = shared_rate.create(RATE, now=0.0)
        self.processes = [self.started() for _ in range(3)]
        self.granted: list[tuple[float, int]] = []

    def started(self) -> SharedRate:
        return SharedRate(self.shared.path, clock=lambda: self.now)

    @rule(which=st.integers(0, 2), wanted=st.integers(0, 200))
    def ask(self, which: int, wanted: int) -> None:
        granted, wait = self.processes[which].take(wanted)
        assert 0 <= granted <= wanted
        assert wait >= 0.0
        self.granted.append((self.now, granted))

    @rule(which=st.integers(0, 2), throttled=st.booleans(), late=st.floats(0.0, 1.0))
    def answer(self, which: int, throttled: bool, late: float) -> None:
        self.processes[which].answered(self.now - late, throttled=throttled)

    @rule(which=st.integers(0, 2))
    def kill(self, which: int) -> None:
        self.processes[which].close()
        self.processes[which] = self.started()

    @rule(seconds=st.floats(0.0, 5.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def no_window_is_above_the_budget(self) -> None:
        sent = 0
        for start, count in reversed(self.granted):
            sent += count
            assert sent <= RATE * BURST_SECONDS + RATE * (self.now - start) + 1e-6

    def teardown(self) -> None:
        for process in self.processes:
            process.close()


TestAnyInterleaving = AnyInterleaving.TestCase
