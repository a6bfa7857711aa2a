"""A wire of a given length: things come out in the order they went in, each after its delay."""

import asyncio
from collections import deque
from collections.abc import Callable


class DelayLine:
    """Holds any number of things at once, so a delay costs latency and no throughput. For the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[tuple[float, int, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.held_bytes = 0

    def push(self, seconds: float, size: int, deliver: Callable[[], None]) -> None:
        """Run `deliver` after `seconds`, but not before what was pushed earlier."""
        if not self._queue and seconds <= 0:
            deliver()
            return
        due = self._loop.time() + seconds
        self._queue.append((due, size, deliver))
        self.held_bytes += size
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._queue and self._queue[0][0] <= now:
            _, size, deliver = self._queue.popleft()
            self.held_bytes -= size
            deliver()
        if self._queue and self._timer is None:
            self._timer = self._loop.call_at(self._queue[0][0], self._fire)

    def clear(self) -> None:
        """Drop everything."""
        self._queue.clear()
        self.held_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
