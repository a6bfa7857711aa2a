"""Whose turn it is to catch up, when more partitions have a backlog than the node has cores. Pure; the clock is passed in.

Processes that share a core take each other's caches away: 32 of them on two cores, all at work, cost a third more per event than
one does; in turns, less than a tenth more. So at most one per core works off its backlog at a time, for long enough to be worth
the cold start.
"""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)

TURN_SECONDS: Final = 1.0
"""A turn is over after this time, some 100,000 events. With a quarter of it an event costs 5 % more where 32 take turns."""
LOST_SECONDS: Final = 3.0
"""Who has not ended its turn by then is frozen, and counts no longer."""


class CatchUpScheduler(Generic[Who]):
    """First come, first served; at most `most` at a time."""

    def __init__(self, most: int, *, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._waiting: dict[Who, None] = {}
        self._since: dict[Who, float] = {}
        """When the turns that are not over began."""

    def want(self, who: Who) -> None:
        """`who` waits for its turn. Its last one is over."""
        self._since.pop(who, None)
        self._waiting.setdefault(who)

    def done(self, who: Who) -> None:
        """`who` has no turn and waits for none: it is content, or it has ended."""
        self._since.pop(who, None)
        self._waiting.pop(who, None)

    def begin(self) -> list[Who]:
        """Those whose turn begins now."""
        now = self._clock()
        self._since = {who: since for who, since in self._since.items() if now - since < LOST_SECONDS}
        first = list(self._waiting)[: max(0, self._most - len(self._since))]
        for who in first:
            del self._waiting[who]
            self._since[who] = now
        return first
