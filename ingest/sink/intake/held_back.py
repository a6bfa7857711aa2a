"""Which partitions of a command topic an open transaction holds back for long. Pure but for the log.

Commands behind it cannot be read and do not count as lag, so that nothing else shows that they wait. A transaction of a program
that works ends within seconds, or minutes where it follows checkpoints; one whose program died can stay open.
"""

import logging
import time
from typing import Final

from ingest.timing import Clock

HELD_SECONDS: Final = 120.0
AGAIN_SECONDS: Final = 600.0
"""Between two warnings about one partition."""

logger = logging.getLogger(__name__)


class HeldBack:
    """`take` what is known of a partition, again and again."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[str, int], tuple[int, float]] = {}
        """Where the first open transaction begins, and when to warn of it."""

    def take(self, topic: str, partition: int, stable: int, high: int) -> None:
        """`stable`: the offset where the first open transaction begins, or the end; `high`: the end. Below 0: unknown."""
        place, now = (topic, partition), self._clock()
        if stable < 0 or high <= stable:
            self._since.pop(place, None)
            return
        known, due = self._since.get(place, (-1, 0.0))
        if known != stable:
            self._since[place] = (stable, now + HELD_SECONDS)
        elif now >= due:
            self._since[place] = (stable, now + AGAIN_SECONDS)
            logger.warning(
                "Topic %s, partition %d: a transaction of another program holds back %d offsets from %d on for more than %g s, "
                "and commands there are not read: end it by that program, or see kafka-transactions.sh find-hanging.",
                topic,
                partition,
                high - stable,
                stable,
                HELD_SECONDS,
            )
