"""One pace for all sink processes of the node, in a few hundred bytes of memory that they all map.

The supervisor creates it and passes its path on. A process can be killed at any point: the kernel releases its lock,
and every new state is written beside the old one and takes effect by a change of one byte, so that no half-written
state is ever read. Nothing is leased: a process takes tokens only for what it sends at once, so a killed one wastes at
most what it took in its last call.
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
"""When to ask again if another process holds the lock, usually for some 20 µs."""
_SIZE: Final = 1 + 2 * PACKED_BYTES


class Shared:
    """The memory itself, which exists while its maker keeps it. It is not in a folder, which could be cleaned or filled
    up, and nothing is left of it after its maker is killed."""

    def __init__(self) -> None:
        """Raises OSError if there is no descriptor or no memory."""
        self._number = os.memfd_create("ingest-budget")
        weakref.finalize(self, os.close, self._number)
        self.path = Path(f"/proc/{os.getpid()}/fd/{self._number}")
        """The path under which other processes of this user open it (proc(5))."""

    def set(self, sends_per_second: float, now: float) -> None:
        """Resets the pace while no process uses it. `now` is time.monotonic(), the same clock for all processes of a
        machine."""
        os.pwrite(self._number, bytes(1) + pack(AdaptiveRate.of(sends_per_second, now)) + bytes(PACKED_BYTES), 0)

    def allow(self, sends_per_second: float) -> bool:
        """Changes the most that is allowed while processes use it. Returns False if one of them holds it just now: try
        again."""
        rate = SharedRate(self.path)
        try:
            return rate.allow(sends_per_second)
        finally:
            rate.close()


def create(sends_per_second: float, now: float) -> Shared:
    """Returns a new pace. Arguments as for `Shared.set`, errors as for `Shared`."""
    made = Shared()
    made.set(sends_per_second, now)
    return made


class SharedRate:
    """One process's view of the pace. One thread calls it; no call blocks."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError if the file does not exist."""
        self._clock = clock
        # Its own file description: flock excludes descriptions, and one inherited over a fork would be shared.
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
        """Returns how many of `wanted` commands to send now, at once, and the seconds until asking again is useful.

        Passes on the answers, so call it (with 0) even while there is nothing to send.
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

    def allow(self, sends_per_second: float) -> bool:
        """Changes the most that is allowed. Returns False if another process holds the lock."""
        with self._locked() as locked:
            if locked:
                pace = self._read()
                pace.allow(sends_per_second, self._clock())
                self._write(pace)
        return locked

    def answered(self, sent_at: float, *, throttled: bool) -> None:
        """Takes the hub's answer to a send of `sent_at` (the pace's clock): throttled, or anything else."""
        self._answers.append(Answer(sent_at, throttled))

    def pause(self, seconds: float) -> None:
        """Stops all sends of the node for this long (the daily quota is used up); counts from the next `take`."""
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
