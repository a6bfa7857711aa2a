"""The thread that owns every checkpoint write of one partition process, so that receiving never waits for a store."""

import logging
import threading
import time
from dataclasses import replace
from typing import Protocol

from ingest.backoff import Backoff
from ingest.deadline import Deadline
from ingest.errors import IngestError
from ingest.logs import Repeated
from ingest.source.checkpoints.store import Checkpoint, CheckpointStore

_LOG = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


class Clock(Protocol):
    """Time as the writer sees it; tests pass one that stands still until told."""

    def monotonic(self) -> float: ...

    def time(self) -> float: ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """`condition.wait(seconds)`: it is held, and may wake early."""


class _SystemClock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(seconds)


class CheckpointWriter:
    """Saves the latest position offered: the first at once, then at most one per interval, and the last on `close`.

    A failing save is tried again with back-off (1 s growing to 30 s), always with the latest position by then, and
    never stops the partition. The counters are plain values that any thread may read.

    Lifecycle: `start`, then `close` (one last save) or `terminate` (none), then `join`. The thread is a daemon: a
    process that ends does not wait for a store that hangs. The store is not used after `join` returned True and stays
    the caller's to close.
    """

    writes = 0
    """Saves that the store confirmed."""
    failures = 0
    """Saves that failed, retries included."""
    last_written: Checkpoint | None = None
    """The last position that the store confirmed, `time` set to when (epoch seconds, this machine's clock)."""
    last_error: str | None = None
    """Why the latest save failed, one sentence; None once a save has worked again."""

    def __init__(
        self,
        store: CheckpointStore,
        interval_seconds: float,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._store = store
        self._interval = interval_seconds
        self._clock = clock or _SystemClock()
        self._backoff = backoff or Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        self._condition = threading.Condition()
        self._latest: Checkpoint | None = None
        self._saved: Checkpoint | None = None
        self._not_before = 0.0
        self._retrying = False
        self._closing: Deadline | None = None
        self._terminated = False
        self._repeated = Repeated(clock=self._clock.monotonic)
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Take the position that is safe now. Never blocks on the store. Its sequence number is lower than the one before
        where the hub has numbered its events anew."""
        with self._condition:
            if self._closing is None and not self._terminated:
                was_pending = self.pending
                self._latest = checkpoint
                # Otherwise the thread knows when to wake. Each time that it does, the caller loses the interpreter's lock
                # to it, and with that its core where there are other processes: hundreds of times a second.
                if not was_pending and self.pending:
                    self._condition.notify()

    def close(self, deadline: Deadline) -> None:
        """Save what was offered last, at once, then end. A failing save is tried again until the deadline, not after.
        Returns immediately: `join` waits."""
        with self._condition:
            if self._closing is None:
                self._closing = deadline
                self._not_before = self._clock.monotonic()
            self._condition.notify()

    def terminate(self) -> None:
        """End without another save. Returns immediately: `join` waits for a save that is under way."""
        with self._condition:
            self._terminated = True
            self._condition.notify()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the thread; False if it is still in a save at the deadline."""
        if self._thread.ident is None:
            return True
        self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    @property
    def pending(self) -> bool:
        """Whether a position has been offered that the store has not confirmed."""
        return self._latest != self._saved

    def _run(self) -> None:
        while (checkpoint := self._next()) is not None:
            try:
                self._store.save(checkpoint)
            except IngestError as failed:
                self._failed(str(failed))
            except Exception as bug:
                # Not re-raised: a writer that is dead in silence is worse than one that keeps reporting.
                _LOG.debug("checkpoint save raised", exc_info=True)
                self._failed(f"the checkpoint store failed with {type(bug).__name__}")
            else:
                self._written(checkpoint)

    def _next(self) -> Checkpoint | None:
        """Wait until a save is due; None when there is nothing left to do for good."""
        with self._condition:
            while not self._terminated:
                if self._closing is not None and (not self.pending or (self._retrying and self._closing.expired)):
                    break
                wait = self._not_before - self._clock.monotonic() if self.pending else None
                if wait is not None and wait <= 0:
                    return self._latest
                self._clock.wait(self._condition, self._until_closed(wait))
            return None

    def _until_closed(self, wait: float | None) -> float | None:
        if wait is None or self._closing is None:
            return wait
        return min(wait, self._closing.remaining())

    def _written(self, checkpoint: Checkpoint) -> None:
        if self.last_error is not None:
            _LOG.info("partition %s: checkpoints are saved again", checkpoint.partition)
        self.last_written = replace(checkpoint, time=self._clock.time())
        self.last_error = None
        self.writes += 1
        self._backoff.reset()
        self._repeated = Repeated(clock=self._clock.monotonic)
        with self._condition:
            self._saved = checkpoint
            self._retrying = False
            # While closing, a position offered during this save must not wait for the interval.
            self._not_before = self._clock.monotonic() + (self._interval if self._closing is None else 0.0)

    def _failed(self, sentence: str) -> None:
        now = self._clock.monotonic()
        self.last_error = sentence
        self.failures += 1
        held_back = self._repeated.admit("save")
        if held_back is not None:
            more = f" ({held_back} failures more since the last of these lines)" if held_back else ""
            _LOG.warning("checkpoint not saved, ingestion goes on: %s%s", sentence, more)
        with self._condition:
            self._retrying = True
            self._not_before = now + self._backoff.next()
