"""Ends the process in time even if the loop never handles a stop."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable

from ingest.errors import EXIT_CRASH

logger = logging.getLogger(__name__)


class LastResort:
    """A thread that waits for a stop, and then for the time that a stop may take.

    The loop can hang in a system call that no signal ends, such as the start of a child by a frozen fork server.
    """

    def __init__(self, seconds: Callable[[], float], end: Callable[[], None]) -> None:
        """`seconds()` is the time for a stop, read when it comes; the thread calls `end` just before the exit."""
        self._seconds = seconds
        self._end = end
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-resort", daemon=True)

    def start(self) -> None:
        """Starts the thread; a machine with no room for it goes without."""
        with contextlib.suppress(RuntimeError):
            self._thread.start()

    def stop_asked(self) -> None:
        """Called by a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Call it once the loop has ended."""
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
