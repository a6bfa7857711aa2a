"""What every child process sets up before its role starts: signals, logging, a heartbeat and a metrics channel.

The pipe to the supervisor carries tuples. Up: `("beat", ready, detail, snapshot)` once a second, `("warned", [Warned])`
with what was logged since the last beat, `("result", value)` from one-shot roles, `("failed", exit_code, sentence)`
before a death with a known reason, `("unsaved", sentence)` at an end with too little time, `("turn", wanted)` to ask for
a turn or give it back. Down: `("stop", seconds)`, `("turn",)` when the turn begins (`ingest.process.catch_up_turns`), and
`("tell", entry, news)`: the function `entry` is called with the news, as with the tokens of an identity.
"""

import contextlib
import faulthandler
import functools
import importlib
import logging
import os
import select
import signal
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from setproctitle import setproctitle

from ingest import logs, scarcity
from ingest.config import Config
from ingest.early_signals import SENT_TO_ALL
from ingest.errors import EXIT_CRASH, EXIT_OK, IngestError
from ingest.metrics.catalogue import PROCESS_CPU, PROCESS_RESIDENT
from ingest.metrics.meter import Meter
from ingest.process import scheduling
from ingest.process.memory import Leftovers
from ingest.recent_warnings import RECENT
from ingest.timing import Deadline

BEAT_SECONDS = 1.0
EXIT_ORPHAN = 3
"""The supervisor is gone. No process reads this code, but a core dump or strace shows it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """The task of a child process. Goes to it through a pipe, so that no process has secrets in its arguments."""

    role: str
    slot: str
    """Stable label: the partition id, or the index of a sink worker. Never a process id."""
    entry: str
    """`package.module:function`; called with the `Child`."""
    config: Config
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What another child found out before the first start; empty at a restart."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """What the supervisor shares with all lives of all children, such as the file of the send budget."""
    noun: str = ""
    """What the slot is, for people; empty if the role has at most one."""

    @property
    def title(self) -> str:
        """The title that ps(1) and `systemctl status` show instead of multiprocessing's command line."""
        return " ".join(("ingest:", self.role, *((self.noun, self.slot) if self.noun else ())))


class Child:
    """The supervisor as a role sees it. Only the role's own thread calls it."""

    def __init__(self, task: ProcessSpec, pipe: Connection) -> None:
        self.task = task
        self.meter = Meter()
        self.deadline: Deadline | None = None
        self._pipe = pipe
        self._stop = threading.Event()
        self._turn = threading.Event()
        self._due = 0.0
        self._said: tuple[bool, str] | None = None
        self._measures: list[Callable[[Meter], None]] = [self._measure_process]
        self._leftovers = Leftovers()

    @property
    def stopping(self) -> bool:
        """Whether the supervisor (or a SIGTERM to this process alone) has asked for a graceful end."""
        return self._stop.is_set()

    @functools.cached_property
    def bell(self) -> int:
        """A descriptor that is readable once a stop is requested, for waits on something else."""
        made = os.eventfd(int(self.stopping), os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, made)
        return made

    def wait(self, seconds: float) -> None:
        """Waits, but no longer than until a stop is requested."""
        self._stop.wait(seconds)

    def measure(self, measure: Callable[[Meter], None]) -> None:
        """Before every beat, calls `measure`, which gives its totals to the meter."""
        self._measures.append(measure)

    def beat(self, ready: bool, detail: str) -> None:
        """Reports that the role is alive; cheap to call often. Sends once a second, or at once if the report changes.

        `detail` is the reason while not ready: one clause, suitable for /readyz.
        """
        now = time.monotonic()
        if now < self._due and (ready, detail) == self._said:
            return
        # A hung supervisor must not block its children: while the pipe is full, the deltas wait for the next beat.
        if not select.select([], [self._pipe], [], 0)[1]:
            return
        self._due = now + BEAT_SECONDS
        self._said = (ready, detail)
        self._leftovers.poll()
        for measure in self._measures:
            measure(self.meter)
        if warned := RECENT.take():
            self._send(("warned", warned))
        self._send(("beat", ready, detail, self.meter.changes()))
        self.meter.sent()

    def want_turn(self) -> None:
        """Asks for a turn, which ends the last one."""
        self._turn.clear()
        self._send(("turn", True))

    def end_turn(self) -> None:
        """Gives the turn back early."""
        self._send(("turn", False))

    def wait_for_turn(self, seconds: float) -> bool:
        """Waits for the requested turn. Returns whether it has begun or a stop is requested."""
        return self._turn.wait(seconds)

    def result(self, value: Any) -> None:
        """Sends the result of a one-shot role to the supervisor."""
        self._send(("result", value))

    def unsaved(self, sentence: str) -> None:
        """Reports what a graceful end had no time to save: one clause with the consequence. The exit code of the
        service is then not 0."""
        logger.error("%s %s: %s.", self.task.role, self.task.slot, sentence)
        self._send(("unsaved", sentence))

    def failed(self, exit_code: int, sentence: str) -> None:
        self._send(("failed", exit_code, sentence))

    def _send(self, message: tuple[Any, ...]) -> None:
        # If the supervisor is gone, the control thread ends this process; until then ignore the error.
        with contextlib.suppress(OSError):
            self._pipe.send(message)

    def stop(self, seconds: float) -> None:
        """Asks the role to end within `seconds`; the first call sets the deadline."""
        if self.deadline is None:
            self.deadline = Deadline(seconds)
        self._stop.set()
        self._turn.set()
        if "bell" in self.__dict__:
            os.eventfd_write(self.bell, 1)

    def control(self) -> None:
        """Reads the supervisor's orders until it is gone; runs on its own thread."""
        while True:
            try:
                order = self._pipe.recv()
            except (EOFError, OSError):
                # Only a supervisor restarts or drains us, and a new one can already serve this partition.
                os._exit(EXIT_ORPHAN)
            if order[0] == "stop":
                self.stop(order[1])
            elif order[0] == "turn":
                self._turn.set()
            elif order[0] == "tell":
                self._hear(order[1], order[2])

    @staticmethod
    def _hear(entry: str, news: object) -> None:
        try:
            _entry(entry)(news)
        except Exception:  # this thread must hear the next order
            logger.exception("%s cannot take its news.", entry)

    @staticmethod
    def _measure_process(meter: Meter) -> None:
        times = os.times()
        meter.total(PROCESS_CPU, times.user + times.system, *_identity)
        pages = int(os.pread(_statm(), 200, 0).split()[1])
        meter.gauge(PROCESS_RESIDENT, pages * os.sysconf("SC_PAGE_SIZE"), *_identity)


_identity: tuple[str, str] = ("", "")


@functools.cache
def _statm() -> int:
    """Permanently open: a process without a free descriptor still sends its heartbeat."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def _entry(name: str) -> Callable[[Any], object]:
    """`package.module:function`"""
    module, _, function = name.partition(":")
    found: Callable[[Any], object] = getattr(importlib.import_module(module), function)
    return found


def main(task: ProcessSpec, pipe: Connection) -> None:
    """The first function of every child process. Never returns."""
    global _identity
    _identity = (task.role, task.slot)
    setproctitle(task.title)
    scheduling.batch()
    faulthandler.enable()  # the supervisor's SIGABRT to a hung child logs the stack of every thread
    logs.configure(task.config.service.log_format, task.config.service.log_level)
    child = Child(task, pipe)
    # Ctrl-C and a terminal's end reach the whole foreground group; only the supervisor decides what they mean.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child.stop(task.config.service.shutdown_seconds))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT_TO_ALL)
    code = EXIT_CRASH
    try:
        threading.Thread(target=child.control, name="control", daemon=True).start()
        _entry(task.entry)(child)
        code = EXIT_OK
    except IngestError as error:
        code = error.exit_code
        child.failed(code, str(error))
    except BaseException as error:
        lacking = scarcity.words(error)
        if lacking is None:
            logger.exception("%s %s crashed.", task.role, task.slot)
        child.failed(code, lacking or f"{type(error).__name__}: {error}")
    finally:
        logging.shutdown()
        # Threads of client libraries can still wait on sockets; everything important is flushed by now.
        os._exit(code)
