"""Roles for tests of the supervisor: real child processes that do one small thing each."""

import os
import signal
import threading
from pathlib import Path

from ingest import metrics as m
from ingest.child import Child
from ingest.errors import Recycle, Refused
from ingest.metrics import Meter


def works(child: Child) -> None:
    """Ready at once; counts its turns; ends when asked to."""
    turns = 0

    def measure(meter: Meter) -> None:
        meter.total(m.SOURCE_EVENTS, turns, child.task.slot)

    child.measure(measure)
    while not child.stopping:
        turns += 1
        child.beat(True, "working")
        child.wait(0.02)
    child.beat(False, "stopped")


def refused(child: Child) -> None:
    child.beat(False, "asking")
    raise Refused("amqp:not-found: no such hub")


def crashes(child: Child) -> None:
    raise RuntimeError("boom")


def recycles_once_ready(child: Child) -> None:
    child.beat(True, "working")
    raise Recycle("stalled: nothing came")


def refused_once_ready(child: Child) -> None:
    child.beat(True, "working")
    raise Refused("amqp:unauthorized-access: the key was changed")


def kills_itself(child: Child) -> None:
    child.beat(True, "working")
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(child: Child) -> None:
    """Ready once, then silent for ever, deaf to a stop."""
    child.beat(True, "working")
    threading.Event().wait()


def answers(child: Child) -> None:
    child.result({"partitions": ["0", "1"], "slot": child.task.slot})


def shows_facts(child: Child) -> None:
    """Says what it was told; crashes the first time, when it was told something."""
    child.beat(True, f"facts: {sorted(child.task.facts)}")
    if child.task.facts:
        raise RuntimeError("first life")
    while not child.stopping:
        child.beat(True, f"facts: {sorted(child.task.facts)}")
        child.wait(0.02)


def shows_budget(child: Child) -> None:
    """Says whether the shared file of the send budget is there."""
    budget = child.task.shared["budget"]
    while not child.stopping:
        child.beat(True, budget if Path(budget).is_file() else "no budget")
        child.wait(0.02)


def takes_a_turn(child: Child) -> None:
    """Asks for a turn, is ready once it has it, and keeps it."""
    child.want_turn()
    while not child.stopping and not child.wait_for_turn(0.1):
        child.beat(False, "waits")
    while not child.stopping:
        child.beat(True, "has its turn")
        child.wait(0.02)
