"""Whether this process works off its backlog now, or lets others on the node go first. Pure; the clock is passed in.

While each read of the socket takes all that is there, a process keeps up, and needs no turn. See
`ingest.process.catch_up_turns`.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

from ingest.process.catch_up_turns import TURN_SECONDS

WAIT_SECONDS: Final = 1.0
"""Interval of heartbeat and link upkeep while others have their turn. Each round takes a part of their CPU caches."""
PATIENCE_SECONDS: Final = 40.0
"""The longest wait: 32 partitions on one core take 32 seconds. A supervisor that hangs must not stop a partition."""
CONTENT_SECONDS: Final = 0.05
"""A process that has read all that was there for this long keeps up with the hub, and needs no turn."""


class Supervisor(Protocol):
    """What `ingest.process.child.Child` does for this module."""

    def want_turn(self) -> None: ...

    def end_turn(self) -> None: ...

    def wait_for_turn(self, seconds: float) -> bool: ...


class CatchUpTurn:
    """Call `go` before every receive while it `waits`, `received` after each."""

    def __init__(self, supervisor: Supervisor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._wanted_at: float | None = None
        self._until: float | None = None
        self._behind_at = 0.0

    @property
    def has_turn(self) -> bool:
        return self._until is not None

    @property
    def waits(self) -> bool:
        """Whether others have their turn, and this one is wanted."""
        return self._wanted_at is not None

    def go(self, wait: float = WAIT_SECONDS) -> bool:
        """Whether to receive now. Waits up to `wait` seconds while others have their turn."""
        if self._wanted_at is None:
            return True
        mine = self._supervisor.wait_for_turn(wait)
        now = self._clock()
        if not mine and now - self._wanted_at < PATIENCE_SECONDS:
            return False
        self._wanted_at, self._until, self._behind_at = None, now + TURN_SECONDS, now
        return True

    def received(self, events: int, *, more: bool) -> None:
        """`events` is 0 also if Kafka left no room for any. `more`: whether there is more than was received at once."""
        now = self._clock()
        if self._until is None:
            if more:
                self._want(now)
            return
        if events and more:
            self._behind_at = now
        if now >= self._until and more:
            self._want(now)
        elif now >= self._until or now - self._behind_at >= CONTENT_SECONDS:
            self._until = None
            self._supervisor.end_turn()

    def _want(self, now: float) -> None:
        self._wanted_at, self._until = now, None
        self._supervisor.want_turn()
