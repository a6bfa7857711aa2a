"""One partition in the hub: a log of encoded messages, with retention."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import NamedTuple


class Position(NamedTuple):
    """Where one event stands."""

    partition: str
    sequence_number: int
    offset: str
    """Opaque to clients; here a number that grows with the bytes of the log."""


class LastEnqueued(NamedTuple):
    """The newest event of a partition, even if expired; before the first: sequence number and offset -1, time 0."""

    sequence_number: int
    offset: int
    time_ms: int


class PartitionLog:
    """Not thread-safe: `Hub` holds the lock. Sequence numbers start at 0 and have no holes."""

    def __init__(self, retention_events: int | None) -> None:
        """`retention_events`: how many of the newest events are kept; None keeps all."""
        self._retention = retention_events
        self._payloads: list[bytes] = []
        self._offsets = array("q")
        self._times = array("q")
        self._next_offset = 0
        self._expired = LastEnqueued(-1, -1, 0)
        """The newest event that has expired."""
        self.begin = 0
        """Sequence number of the oldest event in the log; equal to `end` if the log is empty."""
        self.hold: int | None = None
        """While set, events from this sequence number on are kept but not shown."""

    @property
    def end(self) -> int:
        """Sequence number that the next event gets."""
        return self.begin + len(self._payloads)

    @property
    def visible_end(self) -> int:
        return self.end if self.hold is None else min(self.end, self.hold)

    @property
    def last(self) -> LastEnqueued:
        if not self._payloads:
            return self._expired
        return LastEnqueued(self.end - 1, self._offsets[-1], self._times[-1])

    def append(self, time_ms: int, encode: Callable[[int, int, int], bytes]) -> tuple[int, int]:
        """Add the event that `encode(sequence number, offset, enqueued time)` returns.

        A hub's clock never steps back: an event is not enqueued earlier than the one before it.
        """
        if self._times:
            time_ms = max(time_ms, self._times[-1])
        sequence, offset = self.end, self._next_offset
        payload = encode(sequence, offset, time_ms)
        self._payloads.append(payload)
        self._offsets.append(offset)
        self._times.append(time_ms)
        self._next_offset += (len(payload) + 7) & ~7
        if self._retention is not None and len(self._payloads) >= 2 * self._retention + 64:
            self._drop(len(self._payloads) - self._retention)
        return sequence, offset

    def trim(self) -> None:
        """Drop what is past retention now; `append` does so later, in bulk."""
        if self._retention is not None and len(self._payloads) > self._retention:
            self._drop(len(self._payloads) - self._retention)

    def expire(self) -> None:
        """Drop every event, as retention does in the end."""
        if self._payloads:
            self._drop(len(self._payloads))

    def _drop(self, count: int) -> None:
        self._expired = LastEnqueued(self.begin + count - 1, self._offsets[count - 1], self._times[count - 1])
        del self._payloads[:count]
        del self._offsets[:count]
        del self._times[:count]
        self.begin += count

    def read(self, sequence: int, most_events: int) -> tuple[int, list[bytes]]:
        """Reads up to `most_events` visible payloads from `sequence` on, or from the oldest if that is gone already.

        Returns the sequence number of the first and the payloads.
        """
        first = max(sequence, self.begin)
        start = first - self.begin
        return first, self._payloads[start : min(start + most_events, self.visible_end - self.begin)]

    def after_offset(self, offset: int, inclusive: bool) -> int:
        """Returns the sequence number of the first event whose offset is greater than (or equal to) `offset`."""
        return self.begin + (bisect_left if inclusive else bisect_right)(self._offsets, offset)

    def after_time(self, time_ms: int, inclusive: bool) -> int:
        """Returns the sequence number of the first event enqueued later than (or at) `time_ms`."""
        return self.begin + (bisect_left if inclusive else bisect_right)(self._times, time_ms)
