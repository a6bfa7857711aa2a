"""How a child process waits for the services that it cannot start without."""

import logging
from collections.abc import Callable
from typing import TypeVar

from ingest.errors import IngestError, Unreachable
from ingest.process.child import Child
from ingest.timing import Backoff

T = TypeVar("T")
logger = logging.getLogger(__name__)


def wait_until_available(
    child: Child, doing: str, attempt: Callable[[], T], *, mendable: type[IngestError] = Unreachable
) -> T | None:
    """Tries until it is neither Unreachable nor `mendable`, which a user can mend meanwhile; None when a stop was asked for
    in between."""
    backoff = Backoff(0.5, 15.0)
    detail = doing
    while not child.stopping:
        child.beat(False, detail)
        try:
            return attempt()
        except (Unreachable, mendable) as error:
            logger.warning("%s %s: %s. Trying again.", child.task.role, child.task.slot, str(error).rstrip("."))
            detail = str(error)
            child.beat(False, detail)
            child.wait(backoff.next())
    return None
