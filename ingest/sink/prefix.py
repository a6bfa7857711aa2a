"""How far the commands of one Kafka partition are finished without a gap, which is how far may be committed. Pure.

Only what is unfinished is remembered, so that one device that is held back for hours while the others go on costs one
entry, not one for every command that overtook it.
"""

from collections import OrderedDict


class Prefix:
    """The contiguous finished prefix of one partition. Each call costs a fraction of a microsecond."""

    def __init__(self) -> None:
        # Not a dict: to find its first key takes ever longer when keys are removed from the front.
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._end: int | None = None

    def add(self, offset: int) -> None:
        """The record at `offset` was read; it comes after all added before. Offsets may have gaps (compaction)."""
        self._unfinished[offset] = None
        self._end = offset + 1

    def finish(self, offset: int) -> None:
        """Sent or dead-lettered, for good. Raises KeyError when it was not added or finished already."""
        del self._unfinished[offset]

    @property
    def commit(self) -> int | None:
        """What to commit: the offset to go on from, before which all is finished. None before the first `add`."""
        return next(iter(self._unfinished), self._end)

    @property
    def unfinished(self) -> int:
        return len(self._unfinished)
