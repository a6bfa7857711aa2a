"""How far the commands of one Kafka partition are finished without a gap, and so can be committed. Pure.

Only unfinished offsets are remembered, with one bit each, so that one device that is held back for hours while the
others go on costs almost nothing, and a million commands of a device that takes none cost some hundred kilobytes.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final

from ingest.sink.intake.finished import NOTHING, Finished, Run

_BITS: Final = 1024
"""Offsets in one chunk."""


class OffsetTracker:
    """The contiguous finished prefix of one partition, and what is finished after it."""

    def __init__(self, start: int | None = None, finished: Finished = NOTHING) -> None:
        """`start`: the committed offset; None: never committed. `finished`: after it, by an earlier process."""
        # Not a dict: finding its first key takes ever longer if keys are removed from the front.
        self._chunks: OrderedDict[int, int] = OrderedDict()
        """Number of the chunk → a bit for each unfinished offset in it."""
        self._known = deque(finished.runs)
        """What an earlier process had finished and this one has not reached yet."""
        self._known_epoch = finished.epoch
        self._epoch = finished.epoch
        self.start = start
        """None before the first record is read, if nothing was ever committed."""
        self.end = start
        """The offset to read next, as far as is known."""
        self.unfinished = 0
        self.finishes = 0
        """How often something was finished: if unchanged, there is nothing new to commit."""

    def add(self, offset: int, epoch: int | None = None) -> bool:
        """Notes that the record at `offset` was read; it comes after all added before. Offsets can have gaps
        (compaction).

        Returns False if an earlier process has finished it. `epoch`: the record's leader epoch, None if unknown.
        """
        if self.start is None:
            self.start = offset
        self.end = offset + 1
        known = bool(self._known) and self._is_known(offset, epoch)
        if epoch is not None and epoch != self._epoch and epoch >= 0:
            self._epoch = max(epoch, self._epoch if self._epoch is not None else epoch)
        if known:
            self._forget_known(self.end)
            return False
        chunk, bit = divmod(offset, _BITS)
        self._chunks[chunk] = self._chunks.get(chunk, 0) | 1 << bit
        self.unfinished += 1
        return True

    def reach(self, offset: int) -> None:
        """Notes that all before `offset` was read, and the partition ends there; the last offsets before it can be
        without a record (compaction, aborted transactions)."""
        if self.start is None:
            self.start = offset
        if self.end is None or offset > self.end:
            self.end = offset
        # What was finished after the end was truncated: other records can take its place.
        self._known.clear()

    def finish(self, offset: int) -> None:
        """Notes that it was sent or dead-lettered. Raises KeyError if it was not added, or is already finished."""
        chunk, bit = divmod(offset, _BITS)
        left = self._chunks.get(chunk, 0) ^ 1 << bit
        if left >> bit & 1:
            raise KeyError(offset)
        if left:
            self._chunks[chunk] = left
        else:
            del self._chunks[chunk]
        self.unfinished -= 1
        self.finishes += 1

    @property
    def commit(self) -> int | None:
        """What to commit: the offset to go on from; all before it is finished. None before the first read."""
        for chunk, mask in self._chunks.items():
            return chunk * _BITS + (mask & -mask).bit_length() - 1
        return self.end

    @property
    def epoch(self) -> int | None:
        """Guards the runs: the leader epoch of the newest record read, or of the earlier process's runs."""
        return self._known_epoch if self._known else self._epoch

    def runs(self) -> Iterator[Run]:
        """Returns what is finished after `commit`, in ascending order; offsets without a record count as finished."""
        at = self.commit
        if at is None or self.end is None:
            return
        for start, end in self._unfinished_runs():
            if start > at:
                yield Run(at, start)
            at = end
        known = iter(self._known)
        first = next(known, None)
        if first is not None and first.start <= self.end:
            # It reaches the offset that is read next, or beyond.
            yield Run(at, max(self.end, first.end))
        else:
            if self.end > at:
                yield Run(at, self.end)
            if first is not None:
                yield first
        yield from known

    def _is_known(self, offset: int, epoch: int | None) -> bool:
        """Whether an earlier process has finished it."""
        self._forget_known(offset)
        known = bool(self._known) and self._known[0].start <= offset
        if known and epoch is not None and self._known_epoch is not None and epoch > self._known_epoch:
            # Written after all of them: the log was truncated, and now has other records there.
            self._known.clear()
            known = False
        return known

    def _forget_known(self, before: int) -> None:
        while self._known and self._known[0].end <= before:
            self._known.popleft()

    def _unfinished_runs(self) -> Iterator[Run]:
        for chunk, mask in self._chunks.items():
            at, left = chunk * _BITS, mask
            while left:
                skip = (left & -left).bit_length() - 1
                left >>= skip
                at += skip
                length = (~left & left + 1).bit_length() - 1
                yield Run(at, at + length)
                left >>= length
                at += length
