"""Slots with real child processes; only the clock that decides about restarts and hangs is ours."""

import gc
import multiprocessing
import multiprocessing.connection
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import psutil
import pytest

from ingest.config import Config
from ingest.errors import EXIT_UNAVAILABLE
from ingest.metrics.meter import Snapshot
from ingest.process.catch_up_turns import CatchUpScheduler
from ingest.process.child import ProcessSpec
from ingest.process.supervised import (
    ABORT_SECONDS,
    FIRST_BEAT_SECONDS,
    FROZEN_SECONDS,
    STALE_SECONDS,
    SupervisedProcess,
)
from ingest.recent_warnings import RECENT
from ingest.timing import Deadline
from tests.process.scarce import no_more_descriptors_than

CONTEXT: ForkServerContext = multiprocessing.get_context("forkserver")
PATIENCE = 60.0


class Harness:
    def __init__(self) -> None:
        self.ahead = 0.0
        self.snapshots: list[Snapshot] = []
        self.restarts = 0
        self.slots: list[SupervisedProcess] = []

    def clock(self) -> float:
        return time.monotonic() + self.ahead

    def slot(self, entry: str, **facts: object) -> SupervisedProcess:
        def restarted() -> None:
            self.restarts += 1

        made = SupervisedProcess(
            ProcessSpec("source", "0", f"tests.process.children:{entry}", Config(), facts),
            CONTEXT,
            on_snapshot=self.snapshots.append,
            on_restart=restarted,
            turns=CatchUpScheduler(1, clock=self.clock),
            clock=self.clock,
        )
        self.slots.append(made)
        made.start()
        return made

    def passes(self, slot: SupervisedProcess, seconds: float) -> None:
        """So much time, with a look at the slot every now and then."""
        end = self.ahead + seconds
        while self.ahead < end:
            self.ahead += FROZEN_SECONDS / 2
            slot.poll()

    def until(self, slot: SupervisedProcess, reached: Callable[[], bool]) -> None:
        deadline = Deadline(PATIENCE)
        while not reached():
            assert not deadline.expired, f"{slot}: {slot.detail}"
            multiprocessing.connection.wait(slot.handles(), 0.05)
            slot.poll()

    def counted(self) -> float:
        values = [value for snapshot in self.snapshots for name, _, value in snapshot if name == "source_events_total"]
        return sum(value for value in values if isinstance(value, float | int))


def test_a_child_s_warnings_are_the_service_s(harness: Harness) -> None:
    RECENT.take()
    slot = harness.slot("warns")
    harness.until(slot, lambda: bool(RECENT.last()))
    (one,) = RECENT.take()
    assert (one.level, one.message, one.times) == ("warning", "slot 0 is slow", 3)
    assert one.process.startswith("source-0")


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fork server of this test alone, which `tests.process.no_fork` may keep from forking; gives its folder."""
    stock: Any = forkserver
    monkeypatch.setenv("NO_FORK", str(tmp_path / "no-fork"))
    monkeypatch.setattr(stock, "_forkserver", stock.ForkServer())
    for name in ("ensure_running", "connect_to_new_process"):
        monkeypatch.setattr(stock, name, getattr(stock._forkserver, name))
    stock._forkserver.set_forkserver_preload(["tests.process.no_fork", "ingest.process.preload"])
    current: Any = multiprocessing.current_process()
    folder = tempfile.mkdtemp(prefix="slot-")
    monkeypatch.setitem(current._config, "tempdir", folder)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


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


def test_every_thread_of_a_child_works_in_batches_and_the_service_does_not(harness: Harness) -> None:
    slot = harness.slot("works")
    harness.until(slot, lambda: slot.ready)
    threads = [int(folder.name) for folder in Path(f"/proc/{slot.pid}/task").iterdir()]
    assert len(threads) > 1
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_child_that_is_stopped_right_after_the_fork_ends_well(harness: Harness) -> None:
    slot = harness.slot("works")
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGTERM)
    harness.until(slot, lambda: not slot.alive)
    assert slot.detail == "exit code 0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_to_all_ends_no_child(harness: Harness, number: signal.Signals) -> None:
    slot = harness.slot("works")
    assert slot.pid is not None
    os.kill(slot.pid, number)
    harness.until(slot, lambda: slot.ready)
    assert harness.restarts == 0


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
        ("lacks_threads", "no process or thread can be started"),
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


def test_what_a_crash_has_left_is_unsaved_until_the_next_child_is_there(harness: Harness) -> None:
    slot = harness.slot("crashes_without_saving", first=True)
    harness.until(slot, lambda: not slot.alive)
    assert slot.unsaved == ["7 records are not acknowledged by Kafka"]
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.ready)
    assert slot.unsaved == []


def test_a_child_whose_place_another_process_has_ends_quietly_and_is_started_again(harness: Harness) -> None:
    slot = harness.slot("is_displaced_once_ready")
    harness.until(slot, lambda: not slot.alive)
    assert slot.detail == "another process has this place"
    assert slot.fatal is None
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.alive)
    assert harness.restarts == 0, "that was no crash"


def test_a_child_that_hangs_is_replaced(harness: Harness) -> None:
    slot = harness.slot("hangs")
    harness.until(slot, lambda: slot.ready)
    first = slot.pid
    harness.passes(slot, STALE_SECONDS + 1)
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
    harness.passes(slot, STALE_SECONDS + 1)
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


def test_who_slept_as_long_as_the_supervisor_is_not_taken_for_hung(harness: Harness) -> None:
    """A suspended machine, a group of processes that was stopped as a whole: on waking, the last beat is old."""
    slot = harness.slot("works")
    harness.until(slot, lambda: slot.ready)
    assert slot.pid is not None
    os.kill(slot.pid, signal.SIGSTOP)
    slot.poll()
    harness.ahead += 60.0
    slot.poll()
    os.kill(slot.pid, signal.SIGCONT)
    assert slot.ready
    harness.until(slot, lambda: slot.overdue == 0)
    assert slot.detail == "working"
    assert harness.restarts == 0


def test_who_still_hangs_after_the_sleep_is_replaced(harness: Harness) -> None:
    slot = harness.slot("hangs")
    harness.until(slot, lambda: slot.ready)
    harness.ahead += 60.0
    slot.poll()
    assert slot.ready
    harness.passes(slot, STALE_SECONDS + 1)
    harness.until(slot, lambda: not slot.alive)
    assert slot.detail == "hung: no heartbeat"


def descriptors() -> int:
    """Those that are open, but connections: clients of tests before this one open and close theirs meanwhile."""
    this = psutil.Process()
    return this.num_fds() - len(this.net_connections("inet"))


@pytest.mark.parametrize("spare", [0, 2, 5, 8, 12])
def test_a_child_that_lacks_descriptors_is_started_later(harness: Harness, spare: int) -> None:
    """With any number too few: nothing is raised, nothing is left open, and it is said in words."""
    harness.until(slot := harness.slot("works"), lambda: slot.ready)  # the fork server is there
    gc.collect()  # of tests before this one
    first = descriptors()
    with no_more_descriptors_than(spare):
        other = harness.slot("works")
        assert not other.alive
        assert other.detail.startswith("cannot be started: no file descriptor is left")
        harness.ahead += 1.0
        other.poll()
        assert not other.alive
    gc.collect()
    harness.until(slot, lambda: descriptors() <= first)
    harness.ahead += 3.0
    harness.until(other, lambda: other.ready)
    assert harness.restarts == 2


def test_a_child_without_a_free_descriptor_works_on(harness: Harness) -> None:
    slot = harness.slot("lacks_descriptors")
    harness.until(slot, lambda: slot.ready)
    seen = len(harness.snapshots)
    harness.until(slot, lambda: len(harness.snapshots) > seen + 1)
    assert slot.detail == "works on"


def test_a_refused_fork_is_one_child_less_and_the_others_work_on(
    harness: Harness, own_server: Path, tmp_path: Path
) -> None:
    """A limit of tasks, or no memory: the fork server itself must outlive that."""
    harness.until(slot := harness.slot("works"), lambda: slot.ready)
    pid = slot.pid
    (tmp_path / "no-fork").touch()
    other = harness.slot("works")
    assert not other.alive
    assert other.detail.startswith("cannot be started: no process or thread can be started")
    slot.poll()
    assert (slot.ready, slot.pid) == (True, pid)
    (tmp_path / "no-fork").unlink()
    harness.ahead += 1.0
    harness.until(other, lambda: other.ready)
    slot.poll()
    assert (slot.ready, slot.pid) == (True, pid)


def test_a_client_that_ends_in_the_middle_of_a_request_costs_no_other_child(harness: Harness, own_server: Path) -> None:
    harness.until(slot := harness.slot("works"), lambda: slot.ready)
    pid, stock = slot.pid, getattr(forkserver, "_forkserver")  # noqa: B009 - typeshed does not know it
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(stock._forkserver_address)
        if sys.version_info >= (3, 14):  # the server speaks first, and what it said is left unread
            assert select.select([client], [], [], PATIENCE)[0]
    harness.until(other := harness.slot("works"), lambda: other.ready)
    slot.poll()
    assert (slot.ready, slot.pid) == (True, pid)


def test_a_fork_server_that_was_ended_is_started_again(harness: Harness, own_server: Path) -> None:
    harness.until(slot := harness.slot("works"), lambda: slot.ready)
    server = psutil.Process(slot.pid).parent()
    assert server is not None
    server.kill()
    harness.until(slot, lambda: not slot.alive)
    assert slot.detail == "the process that starts the others has ended, and this one with it"
    harness.ahead += 1.0
    harness.until(slot, lambda: slot.ready)


def test_a_temporary_folder_that_somebody_cleans_is_made_anew(harness: Harness, own_server: Path) -> None:
    harness.until(slot := harness.slot("works"), lambda: slot.ready)
    shutil.rmtree(own_server)
    other = harness.slot("works")
    assert "No such file" in other.detail
    harness.ahead += 1.0
    harness.until(other, lambda: other.ready)
    slot.poll()
    assert slot.ready, "the children of the server that nobody can reach go on"


def test_a_child_that_drains_is_not_called_hung(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """It may wait for Kafka in silence; its deadline ends it."""
    slot = harness.slot("hangs")
    harness.until(slot, lambda: slot.ready)
    slot.close(Deadline(PATIENCE))
    waited = 0.0
    while waited < STALE_SECONDS + ABORT_SECONDS + FROZEN_SECONDS:
        waited += FROZEN_SECONDS - 1  # more at once would be a sleep of the machine
        harness.ahead += FROZEN_SECONDS - 1
        slot.poll()
    assert slot.alive
    assert slot.overdue == 0, "nor is it a reason to withhold the watchdog"
    assert "heartbeat" not in caplog.text
