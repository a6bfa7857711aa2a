"""Keeps a loop alive when the machine runs out of something."""

import logging
import time
from types import TracebackType

from ingest import scarcity
from ingest.logs import Repeated, and_more

PAUSE_SECONDS = 0.1
"""After each error, so that a loop whose wait fails does not spin."""
REPORT_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Outlive:
    """A context for one pass of a loop: logs and swallows its OSError and MemoryError; the next pass is another try."""

    def __init__(self) -> None:
        self._repeated = Repeated(REPORT_SECONDS)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, OSError | MemoryError):
            return False
        words = scarcity.words(error)
        held = self._repeated.admit(words or type(error).__name__)
        if held is not None:
            happened = words or f"{type(error).__name__}: {error}"
            # Anything other than scarcity is our bug.
            logger.error("%s. It is tried again%s.", happened, and_more(held), exc_info=None if words else error)
        time.sleep(PAUSE_SECONDS)
        return True
