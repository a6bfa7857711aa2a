"""Whether a partition may be taken again, where the hub lets the last that comes in: not from another that reads it.

Nodes that share partitions by ownership blobs have one owner level, as the processors of all makes have
(`ingest.hub.owner_level`). The first link of a process takes the partition, as the node has just claimed it. A later one could
take it back from who has claimed it since, of which the node has not heard yet: cut off, or between two looks at the blobs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from ingest.config import Config
from ingest.hub.partition_look import Attempt, try_to_read

OVER: Final = frozenset({"", "unauthorized", "not_found"})
"""What ends the wait: the hub lets a reader in, or a new link had better say why it does not. Without a word from it, another
process may well have the partition."""
LOOK_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 5.0
GHOST_SECONDS: Final = 25.0
"""A node that could ask the hub for this long has looked at the blobs, too, every 18 s, and would have ended a process that has
lost its partition: who reads is this process's own link of before, which the hub takes for alive."""

Look = Callable[[Config, Sequence[str]], list[Attempt]]


class Vacancy:
    """Call `free` on one thread."""

    def __init__(
        self, config: Config, partition: str, look: Look = try_to_read, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._partition = partition
        self._look = look
        self._clock = clock
        self._asking: threading.Thread | None = None
        self._answers: list[Attempt] = []
        self._next = 0.0
        self._free_until = 0.0
        self._taken_since: float | None = None

    def free(self) -> bool:
        """Whether a link may be opened. Never waits: asks the hub on a thread of its own, and is to be called again."""
        now = self._clock()
        if self._asking is not None and not self._asking.is_alive():
            self._asking = None
            self._hear(now)
        if now < self._free_until:
            return True
        if self._asking is None and now >= self._next:
            self._ask()
        return False

    def _ask(self) -> None:
        answers: list[Attempt] = []
        self._answers = answers
        asking = threading.Thread(
            target=lambda: answers.extend(self._look(self._config, [self._partition])), daemon=True
        )
        try:
            asking.start()
        except RuntimeError:  # no more threads are allowed now
            self._next = self._clock() + LOOK_SECONDS
            return
        self._asking = asking

    def _hear(self, now: float) -> None:
        reason = self._answers[0].reason if self._answers else "silent"
        if reason != "stolen":
            self._taken_since = None
        elif self._taken_since is None:
            self._taken_since = now
        ghost = self._taken_since is not None and now - self._taken_since >= GHOST_SECONDS
        if reason in OVER or ghost:
            self._free_until, self._taken_since = now + FRESH_SECONDS, None
        self._next = now + LOOK_SECONDS
