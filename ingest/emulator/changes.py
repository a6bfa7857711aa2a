"""Waits, in any thread, for changes in the emulator's thread."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """`notify` reports a change; `wait_for` looks again after each one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def notify(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait_for(self, look: Callable[[], T | None], seconds: float) -> T | None:
        """Returns what `look()` finds, or None if it finds nothing within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            with self._condition:
                seen = self._count
            found = look()
            if found is not None:
                return found
            with self._condition:
                if not self._condition.wait_for(lambda: self._count != seen, deadline - time.monotonic()):  # noqa: B023
                    return None
