"""A queue that lends its messages: one is locked while a receiver works on it, and back in its place if not settled.

Pure: the clock is an argument. Source: "Send cloud-to-device messages from an IoT hub", message life cycle, Microsoft
Learn. An abandon raises the delivery count; an expired lock does not.
"""

import heapq
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ingest.emulator.conditions import End
from ingest.errors import IngestError

T = TypeVar("T")


class QueueFull(IngestError):
    """The queue has reached its limit."""


class LockLost(IngestError):
    """The lock token matches no message here: it is settled already, or its lock expired."""


@dataclass(slots=True, order=True)
class Entry(Generic[T]):
    """One message in the queue. Ordered by `sequence`, the order of arrival."""

    sequence: int
    item: T = field(compare=False)
    expires_at: float = field(compare=False)
    """Seconds since 1970."""
    abandoned: int = field(default=0, compare=False)
    lock_token: str = field(default="", compare=False)
    """Empty while the message is free."""
    locked_until: float = field(default=0.0, compare=False)


class LockQueue(Generic[T]):
    """Times are seconds since 1970. A message that expires while it is locked can still be settled."""

    def __init__(
        self,
        *,
        limit: int,
        lock_seconds: float,
        max_deliveries: int,
        ended: Callable[[Entry[T], End, float], None],
    ) -> None:
        """`limit` counts locked messages too; `ended(entry, how, now)` is called once for every message."""
        self._limit = limit
        self._lock_seconds = lock_seconds
        self._max_deliveries = max_deliveries
        self._ended = ended
        self._ready: list[Entry[T]] = []
        self._locked: dict[str, Entry[T]] = {}
        self._sequence = 0
        self._due = math.inf

    def __len__(self) -> int:
        return len(self._ready) + len(self._locked)

    @property
    def ready(self) -> int:
        """Number of free messages; some can have expired since the last `tick`."""
        return len(self._ready)

    def put(self, item: T, expires_at: float, now: float) -> Entry[T]:
        """Append a message. One that has expired already ends at once. Raises QueueFull."""
        self.tick(now)
        if len(self) >= self._limit:
            raise QueueFull(f"The queue holds {self._limit} messages already.")
        self._sequence += 1
        entry = Entry(self._sequence, item, expires_at)
        if expires_at <= now:
            self._ended(entry, End.EXPIRED, now)
        else:
            self._return(entry)
        return entry

    def take(self, now: float, lock_seconds: float | None = None) -> Entry[T] | None:
        """Lock the oldest free message and return it; None if there is none."""
        self.tick(now)
        if not self._ready:
            return None
        entry = heapq.heappop(self._ready)
        entry.lock_token = secrets.token_hex(16)
        entry.locked_until = now + (self._lock_seconds if lock_seconds is None else lock_seconds)
        self._due = min(self._due, entry.locked_until)
        self._locked[entry.lock_token] = entry
        return entry

    def complete(self, lock_token: str, now: float) -> None:
        """Raises LockLost."""
        self._ended(self._unlock(lock_token, now), End.COMPLETED, now)

    def reject(self, lock_token: str, now: float) -> None:
        """Raises LockLost."""
        self._ended(self._unlock(lock_token, now), End.REJECTED, now)

    def abandon(self, lock_token: str, now: float) -> None:
        """Put the message back in its place, or end it if it was abandoned too often. Raises LockLost."""
        entry = self._unlock(lock_token, now)
        entry.abandoned += 1
        if entry.abandoned >= self._max_deliveries:
            self._ended(entry, End.DELIVERY_COUNT, now)
        elif entry.expires_at <= now:
            self._ended(entry, End.EXPIRED, now)
        else:
            self._return(entry)

    def release(self, lock_token: str, now: float) -> None:
        """Put the message back in its place as if it had not been taken. Raises LockLost."""
        entry = self._unlock(lock_token, now)
        if entry.expires_at <= now:
            self._ended(entry, End.EXPIRED, now)
        else:
            self._return(entry)

    def purge(self, now: float) -> int:
        """End every message, locked ones too. Returns their number."""
        self.tick(now)
        entries = sorted([*self._ready, *self._locked.values()])
        self._ready, self._locked = [], {}
        for entry in entries:
            self._ended(entry, End.PURGED, now)
        return len(entries)

    def tick(self, now: float) -> bool:
        """Take back expired locks and end expired messages. Returns whether a message became free again."""
        if now < self._due:
            return False
        freed = [entry for entry in self._locked.values() if entry.locked_until <= now]
        for entry in freed:
            del self._locked[entry.lock_token]
            entry.lock_token = ""
        stayed: list[Entry[T]] = []
        expired: list[Entry[T]] = []
        for entry in [*self._ready, *freed]:
            (stayed if entry.expires_at > now else expired).append(entry)
        self._ready = stayed
        heapq.heapify(self._ready)
        self._due = min(
            min((entry.expires_at for entry in self._ready), default=math.inf),
            min((entry.locked_until for entry in self._locked.values()), default=math.inf),
        )
        for entry in sorted(expired):
            self._ended(entry, End.EXPIRED, now)
        return len(freed) > 0

    def _unlock(self, lock_token: str, now: float) -> Entry[T]:
        self.tick(now)
        entry = self._locked.pop(lock_token, None)
        if entry is None:
            raise LockLost("The lock on this message ran out, or the message was settled already; receive it again.")
        entry.lock_token = ""
        return entry

    def _return(self, entry: Entry[T]) -> None:
        heapq.heappush(self._ready, entry)
        self._due = min(self._due, entry.expires_at)
