"""How long the steps of a start or an end took, for the log. Pure; the clocks are passed in."""

import time
from collections.abc import Callable


class Steps:
    """`done` at the end of each step; `str()` is a clause."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
    ) -> None:
        """`clock`, `cpu`: seconds, the latter those that this process has worked."""
        self._clock = clock
        self._cpu = cpu
        self._began = self._last = clock()
        self._worked = cpu()
        self._steps: list[str] = []

    def done(self, step: str) -> None:
        now = self._clock()
        self._steps.append(f"{step} {now - self._last:.2f}")
        self._last = now

    def __str__(self) -> str:
        worked = self._cpu() - self._worked
        return f"{self._last - self._began:.2f} s, {worked:.2f} s of them at work ({', '.join(self._steps)})"
