"""Limits how many backlogged partitions catch up at once to the number of cores. Pure, clock passed in.

Processes that share a core evict each other's caches: 32 of them at work on two cores cost a third more per event than
one does; in turns, a tenth more. So at most one per core works off its backlog at a time, for long enough to
make up for the cold start.
"""

import os
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)

TURN_SECONDS: Final = 1.0
"""A turn ends after this time, about 100,000 events. A quarter of it makes an event 5 % dearer if 32 take turns."""
LOST_SECONDS: Final = 3.0
"""A process that has not ended its turn by then is frozen, and its turn no longer counts."""


class CatchUpScheduler(Generic[Who]):
    """First come, first served; at most `most` at a time."""

    def __init__(self, most: int, *, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._waiting: dict[Who, None] = {}
        self._since: dict[Who, float] = {}
        """When each current turn began."""

    def want(self, who: Who) -> None:
        """`who` waits for a turn. Its last turn ends."""
        self._since.pop(who, None)
        self._waiting.setdefault(who)

    def done(self, who: Who) -> None:
        """`who` needs no turn: it has caught up, or it has ended."""
        self._since.pop(who, None)
        self._waiting.pop(who, None)

    def begin(self) -> list[Who]:
        """Begins turns, and returns those whose turn begins now."""
        now = self._clock()
        self._since = {who: since for who, since in self._since.items() if now - since < LOST_SECONDS}
        first = list(self._waiting)[: max(0, self._most - len(self._since))]
        for who in first:
            del self._waiting[who]
            self._since[who] = now
        return first


def cores() -> int:
    """Returns how many cores this node may use."""
    return len(os.sched_getaffinity(0))
