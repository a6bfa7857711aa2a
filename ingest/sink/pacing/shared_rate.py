"""One pace for all sink processes of the node, in a few hundred bytes of memory that they all map.

The supervisor creates it and passes its path on. A process may be killed at any point: the kernel gives its lock back,
and every new state is written beside the old one and takes effect by a change of one byte, so that no half-written
state is ever read. Nothing is leased: a process takes tokens only for what it sends at once, so a killed one wastes
at most what it took in its last call.
"""

import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.sink.pacing.rate import PACKED_BYTES, AdaptiveRate, Answer, pack, unpack

CONTENDED_SECONDS: Final = 0.0005
"""Another process holds the lock, for some 20 µs as a rule: when to ask again."""
_SIZE: Final = 1 + 2 * PACKED_BYTES


class Shared:
    """The memory itself, for as long as its maker keeps it. It is in no folder, which somebody may clean or fill up, and
    nothing is left of it when its maker is killed."""

    def __init__(self) -> None:
        """Raises OSError when there is no descriptor or no memory."""
        self._number = os.memfd_create("ingest-budget")
        weakref.finalize(self, os.close, self._number)
        self.path = Path(f"/proc/{os.getpid()}/fd/{self._number}")
        """Where other processes of this user open it (proc(5))."""

    def set(self, sends_per_second: float, now: float) -> None:
        """Begins anew, with no process that uses it. `now` is time.monotonic(), the same clock for all processes of a
        machine."""
        os.pwrite(self._number, bytes(1) + pack(AdaptiveRate.of(sends_per_second, now)) + bytes(PACKED_BYTES), 0)


def create(sends_per_second: float, now: float) -> Shared:
    """A new budget. Arguments and errors as of `Shared`."""
    made = Shared()
    made.set(sends_per_second, now)
    return made


class SharedRate:
    """One process's view of the budget. One thread calls it; no call blocks."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError when the file is not there."""
        self._clock = clock
        # A description of its own: flock excludes descriptions, and one inherited over a fork would be shared.
        self._number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._map = mmap.mmap(self._number, _SIZE)
        self._answers: list[Answer] = []
        self._pause_until = 0.0
        self._rate = self._read().rate

    @property
    def rate(self) -> float:
        """Sends per second of the whole node, as of the last call of `take`."""
        return self._rate

    def take(self, wanted: int) -> tuple[int, float]:
        """How many of `wanted` commands to send now, at once, and the seconds until it is worth to ask again.

        Hands on what was answered, so call it (with 0) also while there is nothing to send.
        """
        with self._locked() as locked:
            if not locked:
                return 0, CONTENDED_SECONDS
            now = self._clock()
            pace = self._read()
            pace.learn(self._answers, now)
            pace.pause(self._pause_until)
            granted = pace.take(wanted, now)
            self._write(pace)
        self._answers.clear()
        self._rate = pace.rate
        return granted, pace.wait(now)

    def answered(self, sent_at: float, *, throttled: bool) -> None:
        """The hub answered a send of `sent_at` (the budget's clock): it throttled it, or anything else."""
        self._answers.append(Answer(sent_at, throttled))

    def pause(self, seconds: float) -> None:
        """No process of the node sends for so long (the daily quota is used up); counts from the next `take`."""
        self._pause_until = max(self._pause_until, self._clock() + seconds)

    def close(self) -> None:
        self._map.close()
        os.close(self._number)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._number, fcntl.LOCK_UN)

    def _read(self) -> AdaptiveRate:
        start = 1 + self._map[0] * PACKED_BYTES
        return unpack(self._map[start : start + PACKED_BYTES])

    def _write(self, pace: AdaptiveRate) -> None:
        other = 1 - self._map[0]
        start = 1 + other * PACKED_BYTES
        self._map[start : start + PACKED_BYTES] = pack(pace)
        self._map[0] = other
