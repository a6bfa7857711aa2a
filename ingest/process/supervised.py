"""One child process as its supervisor sees it: a stable slot, filled by one process after another."""

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from ingest.config import Config
from ingest.errors import EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE
from ingest.metrics.meter import Snapshot
from ingest.process import child, forkserver
from ingest.process.catch_up_turns import CatchUpScheduler
from ingest.recent_warnings import RECENT
from ingest.timing import Backoff, Deadline

STALE_SECONDS = 15.0
"""A heartbeat older than this means that the role hangs. Beats come once a second. With `ABORT_SECONDS`, the first
back-off and a start, a replacement takes less than 30 s, and less than systemd's WatchdogSec."""
FIRST_BEAT_SECONDS = 25.0
"""Longer for the first beat: 32 processes can start at once on two cores."""
ABORT_SECONDS = 1.0
"""Time for a hung child to write its stacks before it is killed."""
FROZEN_SECONDS = 5.0
"""If the supervisor has not looked at the child for this long, both slept (a suspended machine, a stopped process
group): the child gets a full wait for its heartbeat again."""
SETTLED_SECONDS = 60.0
"""A life this long resets the back-off."""

STARTING = "starting"
HUNG = "hung: no heartbeat"
JOINING = "the hub was given this partition; it starts"

logger = logging.getLogger(__name__)


class SupervisedProcess:
    """Starts a child, listens to it, and starts it again with back-off if it ends without a request.

    `start, poll, close, terminate, join` as everywhere; only the supervisor's loop calls `poll`.
    """

    def __init__(
        self,
        task: child.ProcessSpec,
        context: ForkServerContext,
        *,
        on_snapshot: Callable[[Snapshot], None],
        on_restart: Callable[[], None],
        turns: "CatchUpScheduler[SupervisedProcess]",
        clock: Callable[[], float] = time.monotonic,
        joins: bool = False,
        starting: str = STARTING,
    ) -> None:
        """`joins`: the service works already without this one, so that a refusal of its first start does not end it.
        `starting`: why it is not ready, until another reason is known."""
        self.task = task
        self.ready = False
        self.detail = STARTING
        self.result: Any = None
        self.unsaved: list[str] = []
        """What the ending child could not save, while none has followed it."""
        self.fatal: tuple[int, str] | None = None
        """(exit code, sentence) if a restart cannot help: the first start was refused."""
        self._context = context
        self._on_snapshot = on_snapshot
        self._on_restart = on_restart
        self._turns = turns
        self._clock = clock
        self._joins = joins
        self._starting = starting
        self._backoff = Backoff(0.5, 60.0)
        self._process: ForkServerProcess | None = None
        self._pipe: Connection | None = None
        self._ever_ready = False
        self._closing = False
        self._started_at = 0.0
        self._late_at = 0.0
        self._polled_at = 0.0
        self._kill_at: float | None = None
        self._restart_at: float | None = None
        self._failure: tuple[int, str] | None = None
        self._quiet = False
        """Whether the last one ended because another process has its place: no crash, and no restart to count."""

    def __str__(self) -> str:
        return f"{self.task.role} {self.task.slot}"

    @property
    def alive(self) -> bool:
        return self._process is not None

    @property
    def up(self) -> bool:
        """Whether the child exists, and its heartbeat is fresh."""
        return self._process is not None and not self.overdue

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def config(self) -> Config:
        """Of the child's task."""
        return self.task.config

    @property
    def overdue(self) -> float:
        """Seconds by which the child's heartbeat is late; 0 while it is fresh, without a child, and during a close:
        then the deadline decides."""
        return max(0.0, self._clock() - self._late_at) if self._process is not None and not self._closing else 0.0

    def handles(self) -> list[Any]:
        """Returns what the supervisor's loop waits on: readable when the child has sent something or ended."""
        return [h for h in (self._pipe, self._process.sentinel if self._process else None) if h is not None]

    def start(self) -> None:
        """Starts the child. If the machine has no room for it, tries again with back-off, as for one that ended."""
        self._kill_at = None
        self._restart_at = None
        self._failure = None
        self._quiet = False
        self.ready = False
        name = str(self).replace(" ", "-")
        try:
            self._process, self._pipe = forkserver.start(self._context, child.main, self.task, name)
        except forkserver.NotStarted as error:
            self.detail = f"cannot be started: {error}"
            self._again(self.detail)
            return
        self.unsaved = []  # this child does it again
        self._started_at = self._polled_at = self._clock()
        self._late_at = self._started_at + FIRST_BEAT_SECONDS
        self.detail = STARTING if self._ever_ready else self._starting

    def poll(self) -> None:
        """Reads the child's messages, replaces a hung child, restarts an ended one when that is due."""
        now = self._clock()
        if now - self._polled_at > FROZEN_SECONDS:
            self._late_at = max(self._late_at, now + STALE_SECONDS)
        self._polled_at = now
        self._listen()
        if self._process is not None:
            if self._process.exitcode is not None:
                self._listen()  # its last message can have come between the two checks
                self._ended(self._process.exitcode)
            elif self._closing and self._pipe is None and _is_over(self._process.pid):
                # The fork server, which reports the end, does not answer.
                self._ended(EXIT_OK)
            elif not self._closing and now > self._late_at:  # as of `now`: we can sleep at any point
                self._replace_hung(now)
        elif self._restart_at is not None and now >= self._restart_at:
            if not self._quiet:
                self._on_restart()
            self.task = replace(self.task, facts={})
            self.start()

    def close(self, deadline: Deadline) -> None:
        """Asks for a graceful end within the deadline; returns at once."""
        self._closing = True
        self._restart_at = None
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.send(("stop", deadline.remaining()))

    def begin_turn(self) -> None:
        """Tells the child that its turn has begun."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.send(("turn",))

    def tell(self, entry: str, news: object) -> bool:
        """Has the child call the function `entry` (`package.module:function`) with news. Returns whether the order is on
        its way; not if there is no child, or it has not read what it was sent."""
        if self._pipe is None or not select.select([], [self._pipe], [], 0)[1]:
            return False
        try:
            self._pipe.send(("tell", entry, news))
        except OSError:
            return False
        return True

    def terminate(self) -> None:
        """Ends the child now."""
        self._closing = True
        self._restart_at = None
        if self._process is not None:
            self._process.kill()

    def join(self, deadline: Deadline) -> bool:
        """Waits for the child's end. Returns whether it has ended."""
        if self._process is not None:
            self._process.join(deadline.remaining())
            self.poll()
        return self._process is None

    def _listen(self) -> None:
        while self._pipe is not None:
            try:
                if not self._pipe.poll():
                    return
                message = self._pipe.recv()
            except (EOFError, OSError):
                self._pipe.close()
                self._pipe = None
                return
            match message:
                case ("beat", ready, detail, snapshot):
                    self._late_at = self._clock() + STALE_SECONDS
                    self.ready, self.detail = ready, detail
                    self._ever_ready = self._ever_ready or ready
                    self._on_snapshot(snapshot)
                case ("warned", warned):
                    RECENT.extend(warned)
                case ("turn", wanted):
                    (self._turns.want if wanted else self._turns.done)(self)
                case ("result", value):
                    self.result = value
                case ("unsaved", sentence):
                    self.unsaved.append(sentence)
                case ("failed", code, sentence):
                    self._failure = (code, sentence)

    def _ended(self, exit_code: int) -> None:
        lived = self._clock() - self._started_at
        if self._process is not None:
            with contextlib.suppress(ValueError):  # it believes that the child runs
                self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._turns.done(self)
        self.ready = False
        if self._closing or (exit_code == EXIT_OK and self.result is not None):
            self.detail = "ended"
            return
        code, sentence = self._failure or (exit_code, _how(exit_code))
        self.detail = sentence
        if code in (EXIT_CONFIG, EXIT_UNAVAILABLE) and self._failure and not (self._ever_ready or self._joins):
            self.fatal = (code, sentence)
            return
        if lived >= SETTLED_SECONDS:
            self._backoff.reset()
        self._quiet = code == EXIT_OK and self._failure is not None
        self._again(f"ended: {sentence}")

    def _again(self, happened: str) -> None:
        wait = self._backoff.next()
        self._restart_at = self._clock() + wait
        level = logging.INFO if self._quiet else logging.WARNING
        logger.log(level, "%s %s. It starts again in %.1f s.", self, happened.rstrip("."), wait)

    def _replace_hung(self, now: float) -> None:
        if self._process is None or self._process.pid is None:
            return
        if self._kill_at is None:
            logger.error("%s (pid %d) has sent no heartbeat; it is replaced.", self, self._process.pid)
            self._failure = (1, HUNG)
            self.ready, self.detail = False, HUNG
            self._kill_at = now + ABORT_SECONDS
            # Abort first: faulthandler writes the stacks of all threads. A stopped process reacts only to the kill.
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
                os.kill(self._process.pid, signal.SIGABRT)
        elif now >= self._kill_at:
            self._process.kill()


def _is_over(pid: int | None) -> bool:
    """Whether the process is gone, or only its exit code is left (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except FileNotFoundError:
        return True
    except (OSError, IndexError):
        return False


def _how(exit_code: int) -> str:
    if exit_code == forkserver.GONE:
        return "the process that starts the others has ended, and this one with it"
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
