"""One budget of time that all steps of a shutdown share."""

import time
from collections.abc import Callable


class Deadline:
    """Counts down `seconds` from its creation; every step asks `remaining()` instead of having a time-out of its
    own."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        return self._clock() >= self._end
