"""The events of one partition, in order and without repeats, across every reconnect.

azure-eventhub's own consumer reconnects at once and for ever, in silence, and delivers again what it had buffered.
Here a
transport carries one link only: when that ends, it is opened again after a back-off, after the last event handed on.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.backoff import Backoff
from ingest.errors import Recycle, Refused
from ingest.logs import Repeated
from ingest.source.conditions import LinkEnded
from ingest.source.event import Event
from ingest.source.progress import Position

EARLIEST = "-1"
LATEST = "@latest"
ATTACH_SECONDS = 15.0
"""A link that is not attached after this long is given up: the service answers within a second or two."""
STEADY_SECONDS = 30.0
"""A link that lived this long makes the next reconnect quick again."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartAt:
    """Where a link begins: after an offset (text, `-1`, `@latest`) or sequence number (int), or at a time."""

    position: str | int | datetime

    @property
    def inclusive(self) -> bool:
        """Whether an event exactly at the position is wanted: at a time it is, after an offset it is not."""
        return isinstance(self.position, datetime)

    def __str__(self) -> str:
        match self.position:
            case "-1":
                return "the oldest event"
            case "@latest":
                return "the next new event"
            case str():
                return f"the event after offset {self.position}"
            case int():
                return f"the event after sequence number {self.position}"
            case _:
                return f"the first event since {self.position.isoformat()}"


class Transport(Protocol):
    """One link to one partition at a time. All methods are called by one thread."""

    name: str
    """As in `source.transport`."""

    @property
    def credit(self) -> int:
        """Events that the hub may send ahead of us."""
        ...

    @property
    def attached(self) -> bool:
        """True while the link is up and the hub has accepted our position."""
        ...

    @property
    def newest(self) -> int | None:
        """Sequence number of the newest event in the hub, as far as the last delivery told."""
        ...

    @property
    def more(self) -> bool:
        """Whether the last `poll` left something that the hub has sent; False if nobody knows."""
        ...

    def open(self, start: StartAt) -> None:
        """Begins to connect and returns at once. The link before it must be closed."""
        ...

    def poll(self, timeout: float) -> Sequence[Event]:
        """The next events in order; empty when none came in `timeout` seconds. Raises LinkEnded."""
        ...

    def tend(self) -> None:
        """Keeps the link alive, in place of `poll` while no events are wanted. Never blocks, never raises."""
        ...

    def close(self) -> None:
        """Ends the link and drops what it had buffered; bounded in time."""
        ...


class Receiver:
    """`start, poll, close`; all on one thread. Counters are plain ints, read by whoever exports them."""

    def __init__(
        self,
        transport: Transport,
        partition: str,
        start: StartAt,
        *,
        last: Position | None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """`wait` passes the seconds until the next link may be opened; it may return early."""
        self.events = 0
        self.bytes = 0
        self.duplicates = 0
        self.gaps = 0
        self.reconnects: Counter[str] = Counter()
        self.last = last
        """Position of the last event handed on, or of the checkpoint."""
        self.last_enqueued_ms: int | None = None
        self.trouble: str | None = "connecting to the hub"
        """Why no events can come now, in the service's words; None while the link is up."""
        self._transport = transport
        self._partition = partition
        self._start = start
        self._clock = clock
        self._wait = wait
        self._backoff = backoff or Backoff(0.2, 20.0)
        self._repeated = Repeated()
        self._opened_at: float | None = None
        self._open_at = 0.0
        self._was_attached = False
        self._ever_attached = False
        self._renumbered = False

    @property
    def attached(self) -> bool:
        return self._opened_at is not None and self._transport.attached

    def start(self) -> None:
        logger.info("Partition %s starts at %s.", self._partition, self._start)
        self._open_at = self._clock()

    def poll(self, timeout: float) -> Sequence[Event]:
        """The next events, repeats left out; empty when none came in `timeout` seconds.

        Raises Refused when the hub refuses the first link for a reason that waiting does not mend.
        """
        now = self._clock()
        if self._opened_at is None:
            if now < self._open_at:
                self._wait(min(timeout, self._open_at - now))
                return ()
            self._opened_at, self._was_attached = now, False
            self._transport.open(self._start)
        try:
            events = self._transport.poll(timeout)
            if self._transport.attached:
                self._up()
            elif now - self._opened_at > ATTACH_SECONDS:
                raise LinkEnded("lost", "timeout", f"no link after {ATTACH_SECONDS:g} s, and no word from the hub why")
        except LinkEnded as ended:
            self._down(ended)
            return ()
        return self._fresh(events) if events else events

    def tend(self) -> None:
        """In place of `poll` while no events are wanted."""
        if self._opened_at is not None:
            self._transport.tend()

    def reconnect(self, reason: str, sentence: str) -> None:
        """Gives the link up and opens another one."""
        if self._opened_at is not None:
            self._down(LinkEnded("lost", reason, sentence))

    def close(self) -> None:
        """Receives nothing more."""
        if self._opened_at is not None:
            self._transport.close()
            self._opened_at = None

    def _up(self) -> None:
        if not self._was_attached:
            self._was_attached = self._ever_attached = True
            self.trouble = None
            logger.info("Partition %s is attached.", self._partition)

    def _down(self, ended: LinkEnded) -> None:
        now = self._clock()
        lived = now - (self._opened_at or now)
        self._transport.close()
        self._opened_at = None
        self.trouble = f"hub: {ended}"
        if ended.verdict == "refused" and not self._ever_attached:
            raise Refused(f"the hub refused partition {self._partition}: {ended}")
        self.reconnects[ended.reason] += 1
        if ended.verdict == "bad_position":
            self._start_over(ended)
            return
        if self._was_attached and lived >= STEADY_SECONDS:
            self._backoff.reset()
        wait = self._backoff.next()
        self._open_at = now + wait
        held = self._repeated.admit(ended.reason)
        if held is not None:
            more = f" ({held} more like it)" if held else ""
            logger.warning(
                "Partition %s: link ended: %s. Next try in %.1f s%s.",
                self._partition,
                str(ended).rstrip("."),
                wait,
                more,
            )

    def _start_over(self, ended: LinkEnded) -> None:
        logger.error(
            "Partition %s: the hub no longer knows the position (%s, %s). It starts again at the oldest event that is"
            " held; events in between are lost and counted in ingest_source_sequence_gaps_total.",
            self._partition,
            self._start,
            ended,
        )
        if self.events:
            # The checkpoint of this life must not be mixed with another numbering; a fresh process sorts it out.
            raise Recycle(f"partition {self._partition} lost its position: {ended}")
        self._start = StartAt(EARLIEST)
        self._open_at = self._clock()
        # The hub's numbering may have begun anew: what was received before says nothing about repeats now.
        self._renumbered = self.last is not None

    def _fresh(self, events: Sequence[Event]) -> Sequence[Event]:
        """Drops repeats, counts what is missing, and moves on."""
        last = self.last.sequence_number if self.last is not None else None
        if self._renumbered and last is not None:
            self._renumbered = False
            self.gaps += max(events[0].sequence_number - last - 1, 1)
            last = None
        if last is not None and events[0].sequence_number <= last:
            fresh = [event for event in events if event.sequence_number > last]
            self.duplicates += len(events) - len(fresh)
            if not fresh:
                return ()
            events = fresh
        first, newest = events[0], events[-1]
        missing = newest.sequence_number - first.sequence_number + 1 - len(events)
        if last is not None:
            missing += first.sequence_number - last - 1
        if missing > 0:
            self.gaps += missing
            logger.error(
                "Partition %s: %d sequence numbers missing before offset %s: the hub no longer held those events.",
                self._partition,
                missing,
                newest.offset,
            )
        self.events += len(events)
        self.bytes += sum(len(event.body) for event in events)
        self.last = newest.position
        self.last_enqueued_ms = newest.enqueued_ms
        self._start = StartAt(newest.offset)
        return events
