"""An end in time, whatever the loop waits for: a stop that the loop does not come to ends the process all the same."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable

from ingest.errors import EXIT_CRASH

logger = logging.getLogger(__name__)


class LastResort:
    """A thread that waits for a stop, and then for so long as a stop may take.

    The loop may hang in a system call that no signal ends, such as the start of a child by a fork server that is frozen.
    """

    def __init__(self, seconds: Callable[[], float], end: Callable[[], None]) -> None:
        """`seconds` that a stop may take, asked when it comes; `end` is called on the thread, right before the exit."""
        self._seconds = seconds
        self._end = end
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-resort", daemon=True)

    def start(self) -> None:
        """A machine that has no room for one more thread goes without."""
        with contextlib.suppress(RuntimeError):
            self._thread.start()

    def stop_asked(self) -> None:
        """From the handler of a signal."""
        self._stop.set()

    def close(self) -> None:
        """The loop has ended."""
        self._over.set()
        self._stop.set()

    def _run(self) -> None:
        self._stop.wait()
        seconds = self._seconds()
        if self._over.wait(seconds):
            return
        logger.error(
            "Not ended within %g s: ended by force; what was not saved is read again at the next start.", seconds
        )
        with contextlib.suppress(Exception):
            self._end()
        logging.shutdown()
        os._exit(EXIT_CRASH)
