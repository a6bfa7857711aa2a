"""Frees what a process no longer needs, while it runs.

The hub's clients leave each closed link behind as objects in reference cycles, with their buffers. Python looks for
cycles after a number of new objects, not after a time: at one link in 20 s a partition process, which sets that number
to 20,000, would keep those of a quarter of an hour. What a link's threads have freed, such as a certificate store,
stays with the C library, which returns only the end of a heap, and nothing from its middle.
"""

import ctypes
import gc
import time
from collections.abc import Callable
from typing import Any, Final

YOUNG_OBJECTS: Final = 20_000
"""After this many new objects the collector scans the young ones. Python's 700 are a fraction of one loop's events or
commands, which are alive and scanned in vain: 0.4 µs of each event's CPU time with 32 partitions."""
SECONDS: Final = 10.0
"""A round takes 0.3 ms if little happens, and 1 to 5 ms with the 20,000 objects of a partition process under load."""


class Leftovers:
    """Frees what is not needed, from time to time; call `poll` at any rate, on any one thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + SECONDS

    def poll(self) -> None:
        """Does nothing for `SECONDS` after the start and after each round."""
        now = self._clock()
        if now >= self._due:
            self._due = now + SECONDS
            give_back()


def scan_less_often() -> None:
    """For a process whose objects come by the thousand and are alive together: what waits between two services."""
    gc.set_threshold(YOUNG_OBJECTS)


def give_back() -> None:
    """Frees unreachable reference cycles, and returns the free pages of all heaps to the system."""
    gc.collect()
    if _malloc_trim is not None:
        _malloc_trim(0)


def _found() -> Any:
    """Returns glibc's malloc_trim(3); None if the C library is another one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_malloc_trim = _found()
