"""Events that were received together, and how many of them are not yet safe in Kafka."""

from collections.abc import Iterator, Sequence

from ingest.hub.position import Position
from ingest.source.events.received import Received, content_bytes

LARGE_EVENT_BYTES = 1_024
"""Of larger ones, the bytes matter more than the number."""


class Batch:
    """Travels with its acknowledgement: done when each of its events was acknowledged or dead-lettered."""

    __slots__ = ("bytes", "events", "last", "pending")

    def __init__(self, last: Position, pending: int, events: Sequence[Received] = (), size: int = 0) -> None:
        self.last = last
        """Position of the batch's last event."""
        self.pending = pending
        """Events not done yet. Decremented when an event is done; `Progress.advance` looks at the result."""
        self.events = events
        """Events that wait, in order; those that `take` has returned are not kept here."""
        self.bytes = size
        """Size of the contents of `events`."""

    @classmethod
    def of(cls, events: Sequence[Received]) -> "Batch":
        """Returns a batch of one event or more."""
        return cls(events[-1].position, len(events), events, content_bytes(events))

    def __iter__(self) -> Iterator[Received]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def weight(self) -> int:
        """The events that wait, where a large one counts as several."""
        return max(len(self.events), self.bytes // LARGE_EVENT_BYTES)

    def take(self, most: int) -> Sequence[Received]:
        """Returns the first waiting events, up to `most`; they no longer wait."""
        events = self.events
        if len(events) <= most:
            self.events, self.bytes = (), 0
            return events
        taken, self.events = events[:most], events[most:]
        self.bytes -= content_bytes(taken)
        return taken
