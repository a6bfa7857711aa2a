"""What the loop of a process spends its time on: shares of the parts that it waits for. Pure, clock passed in."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

Part = Literal["hub", "decode", "kafka_queue", "blob", "c2d_limit", "idle"]
PARTS: Final[tuple[Part, ...]] = ("hub", "decode", "kafka_queue", "blob", "c2d_limit", "idle")
"""hub: the hub has more events or answers, and the process waits for them. decode: busy with its own work. kafka_queue:
waits for Kafka. blob: waits for the checkpoint store. c2d_limit: waits for the hub's limit. idle: nothing to do."""

WINDOW_SECONDS: Final = 5.0
"""Long enough for a meaningful sample, short enough to follow a change while a user watches."""
_STEP_SECONDS: Final = 0.5


class TimeShares:
    """Adds up the seconds of each part. One thread calls it: `enter` each time the loop changes to another part."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, window: float = WINDOW_SECONDS) -> None:
        self._clock = clock
        self._window = window
        self._seconds: dict[Part, float] = dict.fromkeys(PARTS, 0.0)
        self._part: Part = "idle"
        self._since = clock()
        self._past: deque[tuple[float, dict[Part, float]]] = deque([(self._since, dict(self._seconds))])

    def enter(self, part: Part) -> None:
        """Counts the time from now on for `part`. Costs one clock reading and one addition."""
        now = self._clock()
        self._seconds[self._part] += now - self._since
        self._part = part
        self._since = now

    def take(self) -> dict[Part, float]:
        """Returns every part's share of about the last `window` seconds (less at the start); they add up to 1."""
        self.enter(self._part)
        now, past = self._since, self._past
        while len(past) > 1 and now - past[1][0] >= self._window:
            past.popleft()
        began, before = past[0]
        if now - past[-1][0] >= _STEP_SECONDS:
            past.append((now, dict(self._seconds)))
        if now <= began:
            return {part: float(part == self._part) for part in PARTS}
        # Not divided by the elapsed time: rounding errors of the sums would then be missing from the total.
        spent = {part: self._seconds[part] - before[part] for part in PARTS}
        total = sum(spent.values())
        return {part: seconds / total for part, seconds in spent.items()}
