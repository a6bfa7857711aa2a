"""Detects stalled sending of commands: some wait, pace and link would let them go, and the hub answers none. Pure.

A link can look up and lead nowhere (a fault of the hub or a library, a process that died with the lock of the pace). So
only the hub's answers count, whatever they say.
"""

from typing import Final, Literal

Verdict = Literal["fine", "reopen", "stalled"]

SECONDS: Final = 45.0
"""Longer than the sender waits for one answer before it opens another link."""
_MOST_BETWEEN_LOOKS: Final = 2.0
"""A process that was frozen has seen nothing, so that time does not count."""


class StallWatch:
    """Call it in every loop. The first `seconds` of silence ask for another link, the next ones for another process."""

    def __init__(self, seconds: float, now: float) -> None:
        """`now`, here and below: monotonic seconds."""
        self._seconds = seconds
        self._looked_at = now
        self._answers = 0
        self._silent = 0.0
        self._strikes = 0

    @property
    def trouble(self) -> str | None:
        """What is wrong, once half of the first time is over."""
        if not self._strikes and self._silent < self._seconds / 2:
            return None
        return f"the hub has answered no command for {self._strikes * self._seconds + self._silent:.0f} s"

    def look(self, now: float, *, answers: int, waiting: bool, may_go: bool) -> Verdict:
        """`answers`: all answers of the hub to commands of this process. `waiting`: whether there are commands at all.
        `may_go`: whether some are on their way to the hub, or could be; other time does not count."""
        passed, self._looked_at = min(now - self._looked_at, _MOST_BETWEEN_LOOKS), now
        if answers != self._answers or not waiting:
            self._answers, self._silent, self._strikes = answers, 0.0, 0
        elif may_go:
            self._silent += passed
        if self._silent < self._seconds:
            return "fine"
        self._silent = 0.0
        self._strikes += 1
        return "reopen" if self._strikes == 1 else "stalled"
