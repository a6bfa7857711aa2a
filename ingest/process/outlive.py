"""A loop that outlives what the machine runs out of."""

import logging
import time
from types import TracebackType

from ingest import scarcity
from ingest.logs import Repeated, and_more

PAUSE_SECONDS = 0.1
"""After each error, so that a loop whose waiting is what fails does not spin."""
REPORT_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Outlive:
    """A context for one turn of a loop, whose OSError and MemoryError it tells and swallows: the next turn is another try."""

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
            # What is not mere scarcity is a fault of ours.
            logger.error("%s. It is tried again%s.", happened, and_more(held), exc_info=None if words else error)
        time.sleep(PAUSE_SECONDS)
        return True
