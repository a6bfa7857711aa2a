"""The places of one device's commands for which its lane has no room. Pure.

Kafka holds them, and they are read again when their turn comes: only their places are kept, 16 bytes each.
"""

from array import array
from collections import deque
from collections.abc import Sequence

from ingest.sink.commands.command import Origin


class _Stretch:
    """Commands of one partition, in ascending order of their offsets."""

    __slots__ = ("first", "offered_at", "offsets", "partition", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.offsets = array("q")
        self.offered_at = array("d")
        self.first = 0
        """Index of the first that is still waiting."""


class Backlog:
    """Places in the order of reading, each with the time it was first read."""

    __slots__ = ("_count", "_stretches")

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, origin: Origin, offered_at: float) -> None:
        """Adds a place after all others."""
        last = self._stretches[-1] if self._stretches else None
        if last is None or (last.topic, last.partition) != origin[:2]:
            last = _Stretch(origin.topic, origin.partition)
            self._stretches.append(last)
        last.offsets.append(origin.offset)
        last.offered_at.append(offered_at)
        self._count += 1

    def put_first(self, places: Sequence[tuple[Origin, float]]) -> None:
        """Puts places before all others, in this order."""
        before = Backlog()
        for origin, offered_at in places:
            before.append(origin, offered_at)
        self._stretches.extendleft(reversed(before._stretches))
        self._count += len(before)

    def next(self, count: int) -> list[Origin]:
        """Returns the first places, up to `count`, as far as they are of one partition: in ascending order."""
        if not self._stretches:
            return []
        one = self._stretches[0]
        offsets = one.offsets[one.first : one.first + count]
        return [Origin(one.topic, one.partition, offset) for offset in offsets]

    def pop(self, origin: Origin) -> float | None:
        """Takes out the first place, and returns the time it was first read; None if `origin` is not the first."""
        if self.next(1) != [origin]:
            return None
        one = self._stretches[0]
        offered_at = one.offered_at[one.first]
        one.first += 1
        self._count -= 1
        if one.first == len(one.offsets):
            self._stretches.popleft()
        elif one.first >= 4096 and 2 * one.first >= len(one.offsets):
            del one.offsets[: one.first], one.offered_at[: one.first]
            one.first = 0
        return offered_at

    def drop(self, topic: str, partition: int) -> int:
        """Forgets the places in this partition; returns how many."""
        kept = deque(one for one in self._stretches if (one.topic, one.partition) != (topic, partition))
        before, self._stretches = self._count, kept
        self._count = sum(len(one.offsets) - one.first for one in kept)
        return before - self._count
