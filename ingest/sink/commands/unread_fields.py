"""Logs parts of records that are not part of the command: one warning per name and minute."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ingest.logs import Repeated, and_more
from ingest.sink.commands.command import Command

SECONDS: Final = 60.0
MOST_NAMES: Final = 100
"""The most names with their own warnings; further ones, made up for each record, share one line a minute."""

logger = logging.getLogger(__name__)


class Unread:
    """Call `tell` with each command."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._repeated = Repeated(SECONDS, most=MOST_NAMES, clock=clock)

    def tell(self, command: Command) -> None:
        for name in command.passed_over:
            held = self._repeated.admit(name)
            if held is not None:
                logger.warning(
                    "%s[%d] at %d: %s is no part of a command and is not sent%s.",
                    *command.origin,
                    name,
                    and_more(held),
                )
