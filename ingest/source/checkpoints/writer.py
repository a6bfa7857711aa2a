"""The thread that does every checkpoint write of one partition process, so that receiving never waits for a store."""

import logging
import threading
import time
from dataclasses import replace
from typing import Literal, NamedTuple, Protocol

from ingest.errors import IngestError, Unreachable
from ingest.logs import Repeated
from ingest.source.checkpoints.order import further
from ingest.source.checkpoints.store import WHATEVER, Before, Changed, Checkpoint, CheckpointStore, Damaged
from ingest.timing import Backoff, Deadline, joined

_LOG = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
_TRIES = 3
"""Tries of one save while another process writes, too."""


class Clock(Protocol):
    """Time as the writer sees it; tests pass a clock that they move themselves."""

    def monotonic(self) -> float: ...

    def time(self) -> float: ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """`condition.wait(seconds)`: the condition is held; the wait can end early."""


class _SystemClock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(seconds)


Job = Checkpoint | Literal["look", "glance", "check"]
"""Save a position; read the store again, forgetting what was offered ("look") or not ("glance"); compare at the end."""


class Looked(NamedTuple):
    """What the store holds."""

    checkpoint: Checkpoint | None
    changed: bool
    """Whether another process has saved it."""


class CheckpointWriter:
    """Saves the latest position offered: the first at once, then at most one per interval, and the last on `close`.

    A failing save is tried again with back-off (1 s growing to 30 s), always with the latest position, and never stops
    the partition. The counters are plain values that any thread can read.

    It replaces only the state that it knows to be in the store. If another process has saved a newer state meanwhile,
    nothing is saved until `look` has read the store again and its answer was taken.

    Lifecycle: `start`, then `close` (one last save) or `terminate` (none), then `join`. The thread is a daemon: a
    process that ends does not wait for a store that hangs. The store is not used after `join` returned True and stays
    the caller's to close.
    """

    writes = 0
    """Saves that the store has confirmed."""
    failures = 0
    """Saves that failed, retries included."""
    last_written: Checkpoint | None = None
    """The last position that the store confirmed, with `time` of the save (epoch seconds, this machine's clock)."""
    last_error: str | None = None
    """Why the store failed last time, one sentence; None once it works again."""
    overtaken: Checkpoint | None = None
    """A newer state that another process has saved; None again after `look`."""

    def __init__(
        self,
        store: CheckpointStore,
        interval_seconds: float,
        *,
        partition: str = "",
        seen: Checkpoint | None = None,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """`seen`: the partition's checkpoint, as the store returned it; None if there is none."""
        self._store = store
        self._partition = partition
        self._seen: Before = seen
        self._looked: Looked | None = None
        self._interval = interval_seconds
        self._clock = clock or _SystemClock()
        self._backoff = backoff or Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        self._condition = threading.Condition()
        self._latest: Checkpoint | None = None
        self._saved: Checkpoint | None = None
        self._look: Literal["no", "wanted", "done"] = "no"
        self._glance = False
        self._glanced: Looked | None = None
        self._checked = False
        """Whether, at the end, the store was compared with its known state."""
        self._not_before = 0.0
        self._retrying = False
        self._closing: Deadline | None = None
        self._terminated = False
        self._repeated = Repeated(clock=self._clock.monotonic)
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Takes the position that is safe now. Never blocks on the store. Its sequence number is lower than the one
        before if the hub has renumbered its events."""
        with self._condition:
            if self._closing is None and not self._terminated and self._owns:
                was_pending = self.pending
                self._latest = checkpoint
                # Otherwise the thread knows when to wake. Each wake-up takes the interpreter's lock from the caller,
                # and with other processes also its core: hundreds of times a second.
                if not was_pending and self.pending:
                    self._condition.notify()

    def look(self) -> None:
        """Forgets what was offered, and reads the store again, as another process can have saved something. `looked`
        has the answer."""
        with self._condition:
            self._latest = self._saved = self.overtaken = None
            self._look = "wanted"
            self._not_before = self._clock.monotonic()
            self._condition.notify()

    def looked(self) -> Looked | None:
        """Returns what the store holds, once; None while that is unknown. From then on positions are taken again."""
        with self._condition:
            if self._look != "done":
                return None
            self._look = "no"
            return self._looked

    def glance(self) -> None:
        """Reads the store, and goes on as before: `glanced` has the answer."""
        with self._condition:
            self._glance, self._glanced = True, None
            self._condition.notify()

    @property
    def glanced(self) -> Looked | None:
        """What the store held; None while that is unknown."""
        return self._glanced

    def close(self, deadline: Deadline) -> None:
        """Saves the last offered position at once, then ends; even if nothing new was offered but the store no longer
        holds what was saved. A failing save is tried again until the deadline. Returns immediately: `join` waits."""
        with self._condition:
            if self._closing is None:
                self._closing = deadline
                self._not_before = self._clock.monotonic()
            self._condition.notify()

    def terminate(self) -> None:
        """Ends without another save. Returns immediately: `join` waits for a save that is under way."""
        with self._condition:
            self._terminated = True
            self._condition.notify()

    def join(self, deadline: Deadline) -> bool:
        """Waits for the thread; returns False if it is still in a save at the deadline."""
        return joined(self._thread, deadline)

    @property
    def pending(self) -> bool:
        """Whether an offered position is not yet confirmed by the store."""
        return self._latest is not None and self._latest != self._saved

    @property
    def _owns(self) -> bool:
        return self._look == "no" and self.overtaken is None

    @property
    def _known(self) -> Checkpoint | None:
        """What the store held when it was last read."""
        return self._saved or (self._seen if isinstance(self._seen, Checkpoint) else None)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self.do(job)

    def do(self, job: Job) -> None:
        """Does one job of `due`, on the store's own thread."""
        try:
            if isinstance(job, Checkpoint):
                self._save(job)
            elif job == "look":
                self._read()
            elif job == "glance":
                self._see()
            elif self._known is not None:
                self._check(self._known)
        except IngestError as failed:
            self._failed(job, str(failed))
        except Exception as bug:
            # Not re-raised: a writer that dies in silence is worse than one that keeps reporting.
            _LOG.debug("the checkpoint store raised", exc_info=True)
            self._failed(job, f"the checkpoint store failed with {type(bug).__name__}")

    def due(self) -> Job | float | None:
        """Returns what to do now; else the seconds until there can be something, None if nothing is planned."""
        if self._look == "wanted":
            job: Job | None = "look"
        elif self._glance:
            return "glance"
        elif not self._owns:
            job = None
        elif self.pending and self._latest is not None:
            job = self._latest
        else:
            job = "check" if self._closing is not None and self._known is not None and not self._checked else None
        if job is None:
            return None
        wait = self._not_before - self._clock.monotonic()
        return job if wait <= 0 else wait

    def _next(self) -> Job | None:
        """Waits until a job is due; returns None when nothing is left to do."""
        with self._condition:
            while not self._terminated:
                due = self.due()
                if self._closing is not None:
                    if due in (None, "look", "glance") or not self._owns:
                        break
                    if self._retrying and self._closing.expired:
                        break
                if due is not None and not isinstance(due, float):
                    return due
                self._clock.wait(self._condition, self._until_closed(due))
            return None

    def _until_closed(self, wait: float | None) -> float | None:
        if wait is None or self._closing is None:
            return wait
        return min(wait, self._closing.remaining())

    def _save(self, checkpoint: Checkpoint) -> None:
        for _ in range(_TRIES):
            try:
                state = self._store.save(checkpoint, self._seen)
            except Changed as changed:
                found = changed.found
                if found is not None and further(found, checkpoint):
                    self._overtaken(found, checkpoint)
                    return
                if found is not None and _same(found, checkpoint):
                    # For example, its answer was lost.
                    state = found
                    break
                self._tell(changed, checkpoint)
                self._seen = WHATEVER if changed.damage is not None else found
            else:
                break
        else:
            raise Unreachable("others write the same checkpoint all the time: look which processes read this partition")
        self._written(checkpoint, state)

    def _read(self) -> None:
        looked = self._held()
        self._works()
        with self._condition:
            self._seen, self._looked = looked.checkpoint, looked
            self._look = "done"
            self._retrying = False

    def _see(self) -> None:
        self._glance = False
        self._glanced = self._held()

    def _check(self, known: Checkpoint) -> None:
        """Saves again over another process's older state; a checkpoint that is gone was deleted on purpose."""
        self._checked = True
        try:
            found = self._load()
        except Damaged:
            self._save(known)
            return
        if found is None or not self._changed(found):
            return
        if further(found, known):
            self._overtaken(found, known)
        else:
            self._save(known)

    def _held(self) -> Looked:
        found = self._load()
        return Looked(found, found is not None and self._changed(found))

    def _load(self) -> Checkpoint | None:
        found = self._store.load(self._partition)
        return None if found is None or found.lease else found

    def _changed(self, found: Checkpoint) -> bool:
        """Whether another process has saved it."""
        return not isinstance(self._seen, Checkpoint) or found.tag != self._seen.tag

    def _overtaken(self, found: Checkpoint, mine: Checkpoint) -> None:
        _LOG.error(
            "Partition %s: another process has saved sequence number %s in %s, and this one stands at %s: nothing is saved"
            " over that. Look whether two services read this partition with the same consumer group.",
            mine.partition,
            found.sequence_number,
            found.place,
            mine.sequence_number,
        )
        with self._condition:
            self.overtaken, self._latest = found, self._saved
            self._retrying = False

    @staticmethod
    def _tell(changed: Changed, mine: Checkpoint) -> None:
        """Logs the state that is replaced although it is not the expected one."""
        if changed.damage is not None:
            what = f"is damaged ({changed.damage})"
        elif changed.found is None:
            what = "is gone; to begin anew, stop ingest before `ingest checkpoints reset`"
        else:
            what = f"was set to sequence number {changed.found.sequence_number} by another process"
        _LOG.warning("Partition %s: its checkpoint %s. It is set to %s.", mine.partition, what, mine.sequence_number)

    def _written(self, checkpoint: Checkpoint, state: Checkpoint) -> None:
        self._works()
        self.last_written = replace(checkpoint, time=self._clock.time())
        self.writes += 1
        with self._condition:
            self._seen = state
            self._saved = checkpoint
            self._checked = self._closing is not None
            self._retrying = False
            # While closing, a position offered during this save must not wait for the interval.
            self._not_before = self._clock.monotonic() + (self._interval if self._closing is None else 0.0)

    def _works(self) -> None:
        if self.last_error is not None:
            _LOG.info("partition %s: checkpoints are saved again", self._partition)
        self.last_error = None
        self._backoff.reset()
        self._repeated = Repeated(clock=self._clock.monotonic)

    def _failed(self, job: Job, sentence: str) -> None:
        now = self._clock.monotonic()
        self.last_error = sentence
        self.failures += 1
        held_back = self._repeated.admit("save")
        if held_back is not None:
            more = f" ({held_back} failures more since the last of these lines)" if held_back else ""
            doing = "saved" if isinstance(job, Checkpoint) else "read"
            what = f"checkpoint not {doing}, {'nothing is received' if job == 'look' else 'ingestion goes on'}"
            _LOG.warning("%s: %s%s", what, sentence, more)
        with self._condition:
            self._retrying = True
            self._not_before = now + self._backoff.next()


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    return (one.offset, one.sequence_number) == (other.offset, other.sequence_number) and (
        one.hub_created_ms == other.hub_created_ms
    )
