"""The owner level with which a reader takes a partition (the link property com.microsoft:epoch).

The hub gives a partition to the reader with the highest level, of equal ones to the last that came; it ends the links of all
others, and refuses lower ones. Pure but for the clock.
"""

import re
import time
from collections.abc import Callable
from typing import Final

from ingest.config import Config

SHARED: Final = 0
"""The level of every processor of the Event Hubs clients."""
_IN_WORDS: Final = re.compile(r"created with epoch of '(\d+)'|higher epoch '(\d+)'")
_HIGHEST: Final = (1 << 63) - 1


def level_in(words: str) -> int | None:
    """Returns the owner level of the reader that has the partition, from the hub's refusal; None if it names none."""
    found = _IN_WORDS.search(words)
    return int(found[1] or found[2]) if found is not None else None


class OwnerLevel:
    """The level of one process: its start time in ms, so that a later process wins the partition from an earlier one that
    hangs or was cut off. A machine whose clock is behind learns a higher level from the hub's refusal.

    Only until the partition was its own once: who loses it later has lost it to a later process, and keeps its level."""

    def __init__(self, clock: Callable[[], int] = time.time_ns, *, fixed: int | None = None) -> None:
        """`fixed`: the level, whatever happens."""
        self.value = clock() // 1_000_000 if fixed is None else fixed
        self._had = fixed is not None

    def granted(self) -> None:
        """Takes that the hub has let this process in."""
        self._had = True

    def refused(self, words: str) -> None:
        """Takes the hub's words on why a link has ended."""
        present = level_in(words)
        if not self._had and present is not None and self.value <= present < _HIGHEST:
            self.value = present + 1


def own_level(config: Config) -> OwnerLevel:
    """Returns the level of a process with this configuration. Among processors of several makes, who has claimed a partition's
    blob takes it from whoever reads it; a higher level would lock the others out until this process lets go."""
    return OwnerLevel(fixed=SHARED) if config.cluster.coordination == "blob" else OwnerLevel()
