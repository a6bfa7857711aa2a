"""What a process no longer needs, given back while it runs.

The clients of the hub leave each link behind as objects that refer to each other in circles, with their buffers. Python
looks for circles after so many new objects, not after so much time: at one link in 20 s a partition process, which lets it
wait for 20,000, would keep those of a quarter of an hour. What threads of a link have freed, a store of certificates for
one, stays with the C library: it hands back the end of a heap, and nothing from its middle.
"""

import ctypes
import gc
import time
from collections.abc import Callable
from typing import Any, Final

SECONDS: Final = 10.0
"""A round takes 0.3 ms while little happens, and 1 to 5 ms among the 20,000 objects of a partition process under load."""


class Leftovers:
    """Gives back what is not needed, once in a while; `poll` as often as you like, on any one thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + SECONDS

    def poll(self) -> None:
        """Does nothing for `SECONDS` after the start and after each round."""
        now = self._clock()
        if now >= self._due:
            self._due = now + SECONDS
            give_back()


def give_back() -> None:
    """Frees what only circles refer to, and returns the free pages of all heaps to the system."""
    gc.collect()
    if _malloc_trim is not None:
        _malloc_trim(0)


def _found() -> Any:
    """glibc's malloc_trim(3); None where the C library is another one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_malloc_trim = _found()
