"""What a coordination's own thread has to say, for the loop of the supervisor: a queue with a descriptor to wait on."""

import os
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from ingest.cluster.contract import Change


class Changes:
    """`put` and `ring` on any thread; `take` on one."""

    def __init__(self) -> None:
        self._queue: deque[Change] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._bell)

    def fileno(self) -> int:
        """Returns a descriptor that is readable from a `put` or `ring` until the next `take`."""
        return self._bell

    def put(self, change: Change) -> None:
        self._queue.append(change)
        self.ring()

    def ring(self) -> None:
        """Wakes the loop without a change."""
        os.eventfd_write(self._bell, 1)

    def take(self) -> Sequence[Change]:
        """Returns what was put since the last call, in order."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        return [self._queue.popleft() for _ in range(len(self._queue))]
