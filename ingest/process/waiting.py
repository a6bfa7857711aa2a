"""Retries a start-up dependency until it is available or the child is asked to stop."""

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
    """Retries while `attempt` raises Unreachable or `mendable`, an error that a user can correct meanwhile. Returns its
    result, or None if a stop is requested first."""
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
