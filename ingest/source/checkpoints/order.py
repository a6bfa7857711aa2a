"""Which of two checkpoints of a partition is further on. Pure.

Sequence numbers compare within one numbering only: a recreated hub begins at 0 again. It says when it was created, and
the process that finds that out saves the place before the first event at once.
"""

from ingest.hub.position import offset_number
from ingest.source.checkpoints.store import Checkpoint

_BEFORE_FIRST = -1
_ROUNDING_MS = 1_000
"""The hub's answers can differ in precision."""


def further(found: Checkpoint, mine: Checkpoint) -> bool:
    """Whether `found`, saved by another process, is a newer state of the partition than `mine`."""
    theirs, ours = found.hub_created_ms, mine.hub_created_ms
    same_hub = False
    if theirs is not None and ours is not None:
        if abs(theirs - ours) > _ROUNDING_MS:
            return theirs > ours
        same_hub = True
    if found.sequence_number == _BEFORE_FIRST and not same_hub:
        # Within one numbering, no process goes back there.
        return mine.sequence_number != _BEFORE_FIRST
    if found.sequence_number is not None and mine.sequence_number is not None:
        return found.sequence_number > mine.sequence_number
    if found.offset == mine.offset:
        return False
    theirs, ours = offset_number(found.offset), offset_number(mine.offset)
    # What cannot be compared was saved later, and on purpose.
    return theirs < 0 or ours < 0 or theirs > ours
