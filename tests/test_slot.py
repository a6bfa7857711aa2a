"""Slots with real child processes; only the clock that decides about restarts and hangs is ours."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext

import pytest

from ingest.child import Task
from ingest.config import Config
from ingest.deadline import Deadline
from ingest.errors import EXIT_UNAVAILABLE
from ingest.metrics import Snapshot
from ingest.slot import ABORT_SECONDS, FIRST_BEAT_SECONDS, STALE_SECONDS, Slot
from ingest.turns import Turns

CONTEXT: ForkServerContext = multiprocessing.get_context("forkserver")
PATIENCE = 60.0


class Harness:
    def __init__(self) -> None:
        self.ahead = 0.0
        self.snapshots: list[Snapshot] = []
        self.restarts = 0
        self.slots: list[Slot] = []

    def clock(self) -> float:
        return time.monotonic() + self.ahead

    def slot(self, entry: str, **facts: object) -> Slot:
        def restarted() -> None:
            self.restarts += 1

        made = Slot(
            Task("source", "0", f"tests.children:{entry}", Config(), facts),
            CONTEXT,
            on_snapshot=self.snapshots.append,
            on_restart=restarted,
            turns=Turns(1, clock=self.clock),
            clock=self.clock,
        )
        self.slots.append(made)
        made.start()
        return made

    def until(self, slot: Slot, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, f"{slot}: {slot.detail}"
            multiprocessing.connection.wait(slot.handles(), 0.05)
            slot.poll()

    def counted(self) -> float:
        values = [value for snapshot in self.snapshots for name, _, value in snapshot if name == "source_events_total"]
        return sum(value for value in values if isinstance(value, float | int))


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    for slot in made.slots:
        slot.terminate()
        assert slot.join(Deadline(PATIENCE))


def test_a_child_becomes_ready_counts_and_ends_when_asked(harness: Harness) -> None:
    slot = harness.slot("works")
    assert not slot.ready
    harness.until(slot, lambda: slot.ready)
    assert slot.detail == "working"
    slot.close(Deadline(PATIENCE))
    assert slot.join(Deadline(PATIENCE))
    assert not slot.alive
    assert slot.fatal is None
    assert harness.restarts == 0
    assert harness.counted() > 0


def test_a_first_start_that_is_refused_is_fatal(harness: Harness) -> None:
    slot = harness.slot("refused")
    harness.until(slot, lambda: slot.fatal is not None)
    assert slot.fatal == (EXIT_UNAVAILABLE, "amqp:not-found: no such hub")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("crashes", "RuntimeError: boom"),
        ("recycles_once_ready", "stalled: nothing came"),
        ("refused_once_ready", "the key was changed"),
        ("kills_itself", "killed by SIGKILL"),
    ],
)
def test_a_child_that_ends_unasked_is_started_again_after_a_while(harness: Harness, entry: str, why: str) -> None:
    slot = harness.slot(entry)
    harness.until(slot, lambda: not slot.alive)
    assert why in slot.detail
    assert slot.fatal is None
    slot.poll()
    assert harness.restarts == 0, "not before its time"
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.alive)
    assert harness.restarts == 1


def test_a_child_that_hangs_is_replaced(harness: Harness) -> None:
    slot = harness.slot("hangs")
    harness.until(slot, lambda: slot.ready)
    first = slot.pid
    harness.ahead += STALE_SECONDS + 1
    harness.until(slot, lambda: not slot.alive)
    assert slot.detail == "hung: no heartbeat"
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.ready and slot.pid != first)
    assert harness.restarts == 1


def test_a_stopped_child_is_replaced_too(harness: Harness) -> None:
    slot = harness.slot("works")
    harness.until(slot, lambda: slot.ready)
    assert slot.pid is not None
    assert slot.overdue == 0
    os.kill(slot.pid, signal.SIGSTOP)
    harness.ahead += STALE_SECONDS + 1
    slot.poll()
    assert slot.overdue > 0
    harness.until(slot, lambda: not slot.alive)
    assert slot.overdue == 0, "nobody there is not late"


def test_a_replacement_takes_less_than_30_seconds() -> None:
    """Until a hang is seen, until the stacks are written, and the longest first wait before the next start; the rest
    is for starting. The faults tests measure the whole."""
    for seen in (STALE_SECONDS, FIRST_BEAT_SECONDS):
        assert seen + ABORT_SECONDS + 0.5 + 2.0 < 30


def test_a_child_that_is_deaf_to_a_stop_is_ended_by_terminate(harness: Harness) -> None:
    slot = harness.slot("hangs")
    harness.until(slot, lambda: slot.ready)
    slot.close(Deadline(0.2))
    assert not slot.join(Deadline(0.3))
    slot.terminate()
    assert slot.join(Deadline(PATIENCE))


def test_a_one_shot_child_hands_up_its_result(harness: Harness) -> None:
    slot = harness.slot("answers")
    harness.until(slot, lambda: not slot.alive)
    assert slot.result == {"partitions": ["0", "1"], "slot": "0"}


def test_facts_of_the_first_start_are_not_believed_after_a_crash(harness: Harness) -> None:
    slot = harness.slot("shows_facts", topics="as seen once")
    harness.until(slot, lambda: not slot.alive)
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.ready)
    assert slot.detail == "facts: []"
