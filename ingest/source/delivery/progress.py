"""Which events Kafka has acknowledged, and the highest position that is therefore safe to checkpoint.

Kafka acknowledges out of order across its partitions. A position is safe once it and everything before it are done. So
events are counted per batch, batches are kept in the order received, and the safe position moves when the oldest batch
has nothing left to wait for. Cost: one decrement per event, one queue step per batch.
"""

from collections import deque

from ingest.hub.position import Position
from ingest.source.events.batch import Batch


class Progress:
    """The contiguous acknowledged prefix of one partition."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._safe: Position | None = None

    def add(self, batch: Batch) -> None:
        """Starts to track a batch; its events come after all those added before."""
        self._batches.append(batch)

    def mark(self, position: Position) -> None:
        """Adds a position without events, safe once everything added before is."""
        self._batches.append(Batch(position, 0))

    def advance(self) -> Position | None:
        """Returns the highest safe position; None until the first batch is done."""
        batches = self._batches
        while batches and batches[0].pending == 0:
            self._safe = batches.popleft().last
        return self._safe

    @property
    def pending(self) -> int:
        """The number of events received and not done. Walks the open batches, which are few."""
        return sum(batch.pending for batch in self._batches)
