"""Time: one budget for all steps of a shutdown, and how long to wait before the next try."""

import random
import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds: since 1970 (`time.time`) or on a clock that never goes back (`time.monotonic`)."""


def since_boot() -> float:
    """Returns seconds on a clock that nobody sets; unlike those of `time.monotonic` they pass while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Deadline:
    """Counts down `seconds` from its creation; every step uses `remaining()` instead of its own time-out."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        """The whole of it."""
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Returns the seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        return self._clock() >= self._end


def joined(thread: threading.Thread, deadline: Deadline) -> bool:
    """Waits for a thread's end; returns whether it has ended by the deadline. One that was never started has."""
    if thread.ident is None:
        return True
    thread.join(deadline.remaining())
    return not thread.is_alive()


class Backoff:
    """Exponential back-off with full jitter: the n-th wait is uniform in (0, min(cap, initial * 2**n)].

    Full jitter prevents 32 partition processes that lost the same broker from all coming back at the same time.
    """

    def __init__(self, initial: float, cap: float, *, rng: random.Random | None = None) -> None:
        self._initial = initial
        self._cap = cap
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._tries = 0

    def next(self) -> float:
        """Returns the seconds to wait now; longer at each call until `reset`."""
        ceiling = min(self._cap, self._initial * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return ceiling * (0.1 + 0.9 * self._rng.random())

    def reset(self) -> None:
        """After a success: makes the next wait short again."""
        self._tries = 0
