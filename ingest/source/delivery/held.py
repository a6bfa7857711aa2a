"""The events of the present transaction, held until it is committed: if it is aborted, they go again. Pure."""

from collections.abc import Sequence
from itertools import chain

from ingest.hub.position import Position
from ingest.source.events.received import Received

HELD_EVENTS = 10_000
HELD_BYTES = 4 << 20
"""A transaction with so many events, or so many bytes of their records, is committed at once."""


class Held:
    """In order."""

    def __init__(self) -> None:
        self.bytes = 0
        """Of their records."""
        self.last: Position | None = None
        """That of the last one; None without any."""
        self._events: list[Sequence[Received]] = []
        self._count = 0

    @property
    def enough(self) -> bool:
        """Whether there are so many that they are to be committed now."""
        return self._count >= HELD_EVENTS or self.bytes >= HELD_BYTES

    @property
    def events(self) -> list[Received]:
        return list(chain.from_iterable(self._events))

    def add(self, events: Sequence[Received], last: Position) -> None:
        self._events.append(events)
        self._count += len(events)
        self.last = last

    def clear(self) -> None:
        self._events, self._count, self.bytes, self.last = [], 0, 0, None
