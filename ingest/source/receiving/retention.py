"""Forecasts when the hub drops unreceived events, from retention, lag and the rate at which it shrinks. Pure."""

import math
from collections import deque
from typing import Final

SMOOTH_SECONDS: Final = 60.0
KNOWN_SECONDS: Final = 5.0
"""A rate over less time says nothing: no forecast before this."""
_STEP_SECONDS: Final = 1.0


class RetentionForecast:
    """Watches how the position of one partition moves through the hub's enqueued times. All times in Unix seconds."""

    def __init__(self, retention_seconds: float) -> None:
        self._retention = retention_seconds
        self._past: deque[tuple[float, float]] = deque()
        """(time of the look, position), at most SMOOTH_SECONDS old, except the first."""
        self._position = -math.inf

    def look(self, now: float, received_until: float) -> float | None:
        """Returns the seconds until the hub drops the oldest unreceived event; +Inf if the position moves away from it.

        Everything enqueued before `received_until` was received; pass `now` when caught up. An earlier value than
        before is ignored: the next event after a quiet time says nothing about the time before it. None while it is not
        known.
        """
        self._position = max(self._position, received_until)
        past = self._past
        if past and now < past[-1][0]:
            past.clear()  # this machine's clock was set back
        if not past or now - past[-1][0] >= _STEP_SECONDS:
            past.append((now, self._position))
        while len(past) > 2 and now - past[1][0] >= SMOOTH_SECONDS:
            past.popleft()
        if self._position >= now:
            return math.inf
        began, position = past[0]
        if now - began < KNOWN_SECONDS:
            return None
        progress = (self._position - position) / (now - began)
        if progress >= 1.0:
            return math.inf
        return max(0.0, self._retention - (now - self._position)) / (1.0 - progress)
