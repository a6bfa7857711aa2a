"""`ingest source` as systemd keeps it, started again whenever it ends; for a while, by mistake, on two nodes."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.faults.ingest_process import ORPHAN_SECONDS
from tests.faults.source_process import SourceProcess
from tests.faults.waiting import gone

READY_SECONDS = 180.0
"""Above what brokers that are killed meanwhile take to come back."""
_TITLE = "ingest: source partition "
_LOOK_SECONDS = 0.1


class Service:
    """Use as a `with` block. One thread starts, stops and freezes; any may ask for `partition_processes`."""

    def __init__(self, folder: Path, configure: Callable[[Path], None]) -> None:
        """`configure` writes the configuration to a path; the nodes have equal ones."""
        self.ends: Counter[str] = Counter()
        """Exit codes of services that ended without being told to."""
        self.exits: Counter[str] = Counter()
        """Exit codes after SIGTERM."""
        self.last_words: dict[str, str] = {}
        """The end of the log, for each of those that is not 0."""
        nodes = []
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
            nodes.append(SourceProcess(folder / name))
            configure(nodes[-1].config)
        self.main, self._spare = nodes
        self._awake: tuple[SourceProcess, ...] = ()
        self._pids: tuple[int, ...] = ()
        """Of the supervisors that are awake."""
        self._frozen: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pid in self._frozen:  # a process that is stopped does not find that its supervisor is gone
            _signal(pid, signal.SIGKILL)
        for node in (self.main, self._spare):
            node.__exit__(None, None, None)

    def start(self) -> None:
        self._start(self.main)

    def tend(self) -> None:
        """Starts what has ended by itself."""
        for node in self._awake:
            code = node.ended()
            if code is not None:
                self.ends[str(code)] += 1
                self._start(node)

    def wait(self, seconds: float) -> None:
        """Lets time pass, and tends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tend()
            time.sleep(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until every node that is awake has said that it is ready. Raises AssertionError."""
        for node in self._awake:
            deadline = time.monotonic() + seconds
            while not _ready(node):
                assert time.monotonic() < deadline, node.story(f"not ready after {seconds:g} s")
                self.wait(_LOOK_SECONDS)

    def partition_processes(self) -> list[int]:
        """The pids of those that run now, on nodes that are awake."""
        return [pid for root in self._pids for pid in _partition_processes(root)]

    def kill_supervisor(self) -> None:
        """SIGKILL, and a new start at once: what is left of the old one ends by itself beside it."""
        self._kill(self.main)
        self._start(self.main)

    def restart(self) -> None:
        """SIGTERM, and a new start."""
        self._stop(self.main)
        self._start(self.main)

    def freeze_node(self, seconds: float, chosen: random.Random) -> None:
        """The whole node stands still while another takes its place; then it wakes, and one of the two is ended.
        Raises AssertionError if the other one is not ready in time."""
        old, new = self.main, self._spare
        pid, pids = old.pid, [old.pid, *old.descendants()]
        self._sleep(old, pids)
        os.killpg(pid, signal.SIGSTOP)
        try:
            self._start(new)
            self.wait_ready()
            self.wait(seconds)
        finally:
            os.killpg(pid, signal.SIGCONT)
            self._wake(old)
        self.wait(seconds / 2)
        ends, stays = chosen.choice([(old, new), (new, old)])
        end = chosen.choice([self._stop, self._kill])
        end(ends)
        self.main, self._spare = stays, ends

    def freeze_orphan(self, seconds: float, chosen: random.Random) -> None:
        """A partition process stands still while its supervisor is killed and another one started; then it wakes, and
        must end. Raises AssertionError if it goes on, or the other one is not ready in time."""
        victims = _partition_processes(self.main.pid)
        assert victims, "there is no partition process to freeze"
        victim = chosen.choice(victims)
        self._frozen = [victim]
        _signal(victim, signal.SIGSTOP)
        try:
            self.kill_supervisor()
            self.wait_ready()
            self.wait(seconds)
        finally:
            _signal(victim, signal.SIGCONT)
        assert gone(victim, ORPHAN_SECONDS), f"process {victim} outlives its supervisor"
        self._frozen = []

    def close(self) -> int:
        """SIGTERM to the node that is left. Returns its exit code."""
        return self._stop(self.main)

    def _start(self, node: SourceProcess) -> None:
        node.start()
        self._set(*(each for each in self._awake if each is not node), node)

    def _stop(self, node: SourceProcess) -> int:
        self._leave(node)
        code = node.close()
        self.exits[str(code)] += 1
        if code:
            self.last_words[str(code)] = " ".join(node.messages()[-5:])
        return code

    def _kill(self, node: SourceProcess) -> None:
        self._leave(node)
        node.send_signal(signal.SIGKILL)
        node.join()

    def _sleep(self, node: SourceProcess, pids: list[int]) -> None:
        self._leave(node)
        self._frozen = pids

    def _wake(self, node: SourceProcess) -> None:
        self._frozen = []
        self._set(*self._awake, node)

    def _leave(self, node: SourceProcess) -> None:
        self._set(*(each for each in self._awake if each is not node))

    def _set(self, *awake: SourceProcess) -> None:
        self._awake = awake
        self._pids = tuple(node.pid for node in awake)


def _ready(node: SourceProcess) -> bool:
    with contextlib.suppress(OSError):  # it may be ending
        return node.said("Metrics are served") is not None and node.readyz()[0] == 200
    return False


def _partition_processes(root: int) -> list[int]:
    found = []
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(root).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if " ".join(process.cmdline()).startswith(_TITLE):
                    found.append(process.pid)
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
