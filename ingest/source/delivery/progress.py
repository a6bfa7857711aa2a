"""Which events Kafka has acknowledged, and the highest position that is therefore safe to checkpoint.

Kafka acknowledges out of order across its partitions. A position is safe when it and everything before it is done, so
events are counted per batch, batches are kept in the order received, and the safe position moves when the oldest
batch has nothing left to wait for. Cost: one decrement per event, one queue step per batch.
"""

from collections import deque

from ingest.hub.position import Position


class Batch:
    """Events received together; done when each of them was acknowledged or dead-lettered."""

    __slots__ = ("last", "pending")

    def __init__(self, last: Position, pending: int) -> None:
        self.last = last
        """Position of the batch's last event."""
        self.pending = pending
        """Events not done yet. Whoever finishes an event decrements it; `Progress.advance` looks at the result."""


class Progress:
    """The contiguous acknowledged prefix of one partition."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._safe: Position | None = None

    def add(self, last: Position, events: int) -> Batch:
        """Starts to track `events` events that end at `last` and come after all added before."""
        batch = Batch(last, events)
        self._batches.append(batch)
        return batch

    def advance(self) -> Position | None:
        """The highest safe position; None until the first batch is done."""
        batches = self._batches
        while batches and batches[0].pending == 0:
            self._safe = batches.popleft().last
        return self._safe

    @property
    def pending(self) -> int:
        """Events received and not done. Walks the open batches, of which there are few."""
        return sum(batch.pending for batch in self._batches)
