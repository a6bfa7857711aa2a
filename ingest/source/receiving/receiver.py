"""The events of one partition, in order and without repeats, across every reconnect.

azure-eventhub's own consumer reconnects at once, forever and in silence, and redelivers what it had buffered. Here a
transport carries one link only: when that ends, it is opened again after a back-off, after the last event handed on. A
hub that was recreated or failed over numbers its events again from the start. What it sends or says then contradicts
the position, and reading starts over at the oldest event: no event counts as a repeat of one in another numbering.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ingest.errors import Refused
from ingest.hub.link_errors import LinkEnded, last_offset
from ingest.hub.position import EARLIEST, LATEST, Position, StartAt, offset_number
from ingest.hub.reconnect import ReconnectPolicy
from ingest.logs import Repeated
from ingest.source.events.batch import Batch
from ingest.source.events.received import Received
from ingest.source.transport.contract import Transport
from ingest.timing import Backoff

ATTACH_SECONDS = 15.0
"""A link that is not attached by then is given up: the service answers within a second or two."""
HELD_SECONDS = 0.05
"""Interval for asking whether a link may be opened."""

logger = logging.getLogger(__name__)


class Receiver:
    """`start, poll, close`; all on one thread. Counters are plain ints, which the metrics export reads."""

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
        renumbered: Callable[[], None] = lambda: None,
        displaced: Callable[[str], None] = lambda why: None,
        ended: Callable[[LinkEnded], None] = lambda ended: None,
        may_open: Callable[[], bool] = lambda: True,
        host: str = "the hub",
    ) -> None:
        """`wait` passes the seconds until the next link may be opened; it can return early. `renumbered` is called when
        positions start over: all later events have another numbering. `displaced` is called with the hub's words when
        another reader has taken the partition, `ended` with the end of each link. `may_open` is asked, until it says
        yes, before a link is opened: without a link, another process can have gone on. `host` is the hub's, for
        messages."""
        self.events = 0
        self.bytes = 0
        self.duplicates = 0
        self.gaps = 0
        self.reconnects: Counter[str] = Counter()
        self.attaches = 0
        self.numbering = 0
        """How often positions stopped being comparable with earlier ones: the hub has renumbered its events, or another
        process's position was taken over."""
        self.last = last
        """Position of the last event handed on, or of the checkpoint; None if nothing is known yet."""
        self.jump: tuple[int, int] | None = None
        """The last sequence number before and the first one after a gap at an attach. Retention makes such gaps, and so
        does another numbering: the hub's oldest event shows which. Set to None when that is settled."""
        self.last_enqueued_ms: int | None = None
        self.trouble: str | None = "connecting to the hub"
        """Why no events can come now, in the service's words; None while the link is up."""
        self._transport = transport
        self._partition = partition
        self._host = host
        self._start = start
        self._clock = clock
        self._wait = wait
        self._life = ReconnectPolicy(ATTACH_SECONDS, backoff=backoff)
        self._repeated = Repeated()
        self._renumbered = renumbered
        self._displaced = displaced
        self._ended = ended
        self._may_open = may_open
        self._held = False
        self._ask = True
        self._silent = False
        """Whether no event has come over this link yet."""

    @property
    def attached(self) -> bool:
        return self._life.opened_at is not None and self._transport.attached

    def start(self) -> None:
        logger.info("Partition %s starts at %s.", self._partition, self._start)
        self._life.start(self._clock())

    def poll(self, timeout: float) -> Batch | None:
        """Returns the next events without repeats; None if none came in `timeout` seconds.

        Raises Refused if the hub refuses the first link for a reason that waiting does not mend.
        """
        now, life = self._clock(), self._life
        if life.opened_at is None:
            early = HELD_SECONDS if self._held else life.seconds_until_due(now)
            if early > 0:
                self._wait(min(timeout, early))
                return None
            if self._ask and not self._may_open():
                self._wait(min(timeout, HELD_SECONDS))
                return None
            self._ask = False
            life.opened(now)
            self._silent = True
            self._transport.open(self._start)
        try:
            events = self._transport.poll(timeout)
            self._look()
            if life.overdue(now):
                raise LinkEnded("lost", "timeout", f"no answer from {self._host} within {ATTACH_SECONDS:g} s")
        except LinkEnded as ended:
            self._look()  # a link may come up and end between two looks
            self._down(ended)
            return None
        return self._fresh(events) if events else None

    def tend(self) -> None:
        """Replaces `poll` while no events are wanted."""
        if self._life.opened_at is not None:
            self._transport.tend()

    def reconnect(self, reason: str, sentence: str) -> None:
        """Closes the link and opens another one."""
        if self._life.opened_at is not None:
            self._down(LinkEnded("lost", reason, sentence))

    def hold(self) -> None:
        """Opens no other link before `resume`."""
        self._held = True

    def resume(self, start: StartAt, last: Position | None) -> None:
        """Continues at another position; arguments as for the constructor. The link must be down."""
        self._held = self._ask = False
        if last != self.last:
            self.numbering += 1
        self._start, self.last, self.jump = start, last, None

    def rewind(self, start: StartAt, last: Position | None) -> None:
        """Receives again what comes after a position before this one."""
        self._start, self.last = start, last
        if self._life.opened_at is not None:
            self._reopen(start)

    def close(self) -> None:
        """Receives nothing more."""
        self._close()

    def _look(self) -> None:
        """Notes that the link has come up."""
        if self._transport.attached and self._life.came_up():
            self.attaches += 1
            self.trouble = None
            logger.info("Partition %s is attached.", self._partition)

    def _down(self, ended: LinkEnded) -> None:
        self._transport.close()
        self.trouble = f"hub: {ended}"
        self.reconnects[ended.reason] += 1
        self._ended(ended)
        self._ask = True
        if ended.reason == "stolen":
            self._displaced(str(ended))
        if self._asked_by_position and (ended.verdict == "bad_position" or ended.reason == "argument_error"):
            self._life.closed()
            self._refused_position(ended)
            return
        if ended.verdict != "lost" and not self._life.known_to_work:
            self._life.closed()
            raise Refused(f"the hub refused partition {self._partition}: {ended}")
        wait = self._life.ended(self._clock())
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

    @property
    def start_at(self) -> StartAt:
        """Where the current link begins, or the next one if none is open."""
        return self._start

    def stand_at(self, position: Position) -> None:
        """Takes a position at which the hub owes nothing, while no event has given one."""
        if self.last is None or self._start.inclusive:
            self.last = position

    def renumber(self, why: str) -> None:
        """Starts over at the oldest event, as the hub has renumbered its events; `why` says what proves that."""
        logger.error(
            "Partition %s: the hub numbers its events anew: %s. It was recreated or failed over. Reading starts over at the"
            " oldest event that it holds; what is lost of the old numbering is counted as one gap in"
            " ingest_source_sequence_gaps_total.",
            self._partition,
            why,
        )
        self.gaps += 1
        self.numbering += 1
        self.last = self.jump = None
        self._renumbered()
        if self._start.position != EARLIEST:
            self._reopen(StartAt(EARLIEST))

    @property
    def _asked_by_position(self) -> bool:
        return not self._start.inclusive and self._start.position not in (EARLIEST, LATEST)

    def _reopen(self, start: StartAt) -> None:
        """Opens a link at another position at once."""
        self._close()
        self._start = start
        self._life.start(self._clock())

    def _close(self) -> None:
        if self._life.opened_at is not None:
            self._transport.close()
            self._life.closed()

    def _refused_position(self, ended: LinkEnded) -> None:
        """Falls back from the offset to the sequence number, and from that to the oldest event."""
        last, end = self.last, last_offset(ended)
        if self.events and last is not None and end is not None and offset_number(last.offset) > end:
            self.renumber(f"its log ends before offset {last.offset}, up to which events were received ({ended})")
            return
        if isinstance(self._start.position, str) and last is not None and last.sequence_number >= 0:
            by_number = StartAt(last.sequence_number)
            logger.warning(
                "Partition %s: the hub refuses %s (%s): reading goes on at %s.",
                self._partition,
                self._start,
                str(ended).rstrip("."),
                by_number,
            )
            self._reopen(by_number)
            return
        known = self._start if last is None or last.offset is None else StartAt(last.offset)
        logger.error(
            "Partition %s: the hub no longer knows the position (%s, sequence number %s: %s). It starts again at the oldest"
            " event that is held; what is missing then is counted in ingest_source_sequence_gaps_total.",
            self._partition,
            known,
            "unknown" if last is None else last.sequence_number,
            str(ended).rstrip("."),
        )
        self._reopen(StartAt(EARLIEST))

    def _contradiction(self, first: Received, last: Position, *, silent: bool) -> str | None:
        """Returns why this event, numbered no higher than the last one, cannot be a repeat; None if it can."""
        if first.sequence_number == last.sequence_number and last.offset in (None, first.offset):
            return None
        came = f"sequence number {first.sequence_number} at offset {first.offset}"
        if silent:
            return f"behind sequence number {last.sequence_number} at offset {last.offset} it sends {came}"
        # A link can repeat events, and then offsets go back, too.
        if offset_number(first.offset) > offset_number(last.offset) >= 0:
            return f"after sequence number {last.sequence_number} at offset {last.offset} came {came}"
        return None

    def _fresh(self, events: Sequence[Received]) -> Batch | None:
        """Drops repeats, counts what is missing, and moves on."""
        last = self.last.sequence_number if self.last is not None else None
        silent, self._silent = self._silent, False
        if silent and self._start.inclusive:
            last = None  # events before that time are not missing
        if last is not None and events[0].sequence_number <= last and self.last is not None:
            contradiction = self._contradiction(events[0], self.last, silent=silent)
            if contradiction is not None:
                from_oldest = self._start.position == EARLIEST
                self.renumber(contradiction)
                if not from_oldest:
                    return None
                last = None
        if last is not None and events[0].sequence_number <= last:
            fresh = [event for event in events if event.sequence_number > last]
            self.duplicates += len(events) - len(fresh)
            if not fresh:
                return None
            events = fresh
        first, newest = events[0], events[-1]
        missing = newest.sequence_number - first.sequence_number + 1 - len(events)
        if last is not None:
            missing += first.sequence_number - last - 1
        if missing > 0:
            self.gaps += missing
            if last is not None and silent and self._start.position != EARLIEST and first.sequence_number > last + 1:
                self.jump = (last, first.sequence_number)
            logger.error(
                "Partition %s: %d sequence numbers missing before offset %s: the hub no longer held those events.",
                self._partition,
                missing,
                newest.offset,
            )
        batch = Batch.of(events)
        self.events += len(events)
        self.bytes += batch.bytes
        self.last = batch.last
        self.last_enqueued_ms = newest.enqueued_ms
        self._start = StartAt(newest.offset)
        return batch
