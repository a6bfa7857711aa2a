"""Time: one budget that all steps of a shutdown share, and how long to wait before the next try."""

import random
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Gives seconds: of the day (`time.time`) or of a count that never goes back (`time.monotonic`)."""


class Deadline:
    """Counts down `seconds` from its creation; every step asks `remaining()` instead of having a time-out of its
    own."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        """The whole of it."""
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        return self._clock() >= self._end


class Backoff:
    """Exponential back-off with full jitter: the n-th wait is uniform in (0, min(cap, initial * 2**n)].

    Full jitter keeps 32 partition processes that lost the same broker from coming back in step.
    """

    def __init__(self, initial: float, cap: float, *, rng: random.Random | None = None) -> None:
        self._initial = initial
        self._cap = cap
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now; longer at each call until `reset`."""
        ceiling = min(self._cap, self._initial * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return ceiling * (0.1 + 0.9 * self._rng.random())

    def reset(self) -> None:
        """Something worked: the next wait is short again."""
        self._tries = 0
