"""Records → what the topic has of each of the hub's partitions. Pure; `ingest.source.core.counting` does the same, compiled.

A record counts where its number is first seen; the same number again is a repeat. Order is that within one partition of the
topic: across them Kafka has none.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from ingest.audit.devices import LastNumbers
from ingest.audit.numbers import Chunks, add
from ingest.audit.sightings import UNDATED, Seconds, Sighting, json_parts, raw_parts
from ingest.audit.verdict import Counted
from ingest.kafka.header_names import Header
from ingest.source.hot_path import ENVIRONMENT

MOST_CHUNKS: Final = 150_000
"""Some 100 MiB. Numbers that are close together need one for each 4,096."""


class Scattered(OverflowError):
    """The sequence numbers are too far apart for the memory that an audit may use."""


class Fetched(Protocol):
    """The part of a `confluent_kafka.Message` that is counted."""

    def value(self) -> bytes | str | None: ...

    def partition(self) -> int | None: ...


F = TypeVar("F", bound=Fetched)
Held = Sequence[Header] | None
"""The headers of a record; None or nothing if it has none."""


class Count:
    """What there is of one partition of the hub. Numbers are -1 where there are none."""

    __slots__ = (
        "after", "again", "before", "first", "highest", "highest_ms", "last", "latest", "latest_ms", "out_of_order",
        "records", "repeated", "seen",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seen: Chunks = {}
        """All numbers, also of records beside the stretch of time."""
        self.again: Chunks = {}
        """Those that came again, in the stretch."""
        self.records = 0
        """In the stretch, with repeats."""
        self.repeated = 0
        """How many of them came again."""
        self.out_of_order = 0
        """How many came behind a later one of the same device."""
        self.first = self.last = -1
        """The lowest and highest number of the stretch."""
        self.before = self.after = -1
        """The highest number of an earlier time, and the lowest of a later one."""
        self.highest = self.highest_ms = self.latest = self.latest_ms = -1
        """The highest number and its time, the latest time and its number: those of one numbering go together."""


class Counting:
    """`take` records in the order of their topic."""

    def __init__(self, from_ms: int, to_ms: int, *, most_chunks: int = MOST_CHUNKS) -> None:
        """The stretch of time: Unix milliseconds, the last one is not in it."""
        self.counts: dict[str, Count] = {}
        """The hub's partition → its count."""
        self._from_ms, self._to_ms = from_ms, to_ms
        self._chunks = most_chunks
        self._devices = LastNumbers()
        self._seconds = Seconds()

    @property
    def is_full(self) -> bool:
        """Whether there were too many devices to judge the order of all."""
        return self._devices.is_full

    def take(self, messages: Sequence[F], headers: Sequence[Held], other: Callable[[F, Held], None]) -> None:
        """Counts records of the formats `json` and `raw`. Calls `other` for each one that begins in another way. Raises
        Scattered."""
        for message, held in zip(messages, headers, strict=True):
            parts = raw_parts(held) if held else json_parts(message.value())
            if parts is None:
                other(message, held)
                continue
            device, number, partition, second, millis = parts
            try:
                time_ms = self._seconds.ms(second, millis)
            except ValueError:
                other(message, held)
                continue
            self.add(Sighting(partition.decode(), int(number), time_ms, device), message.partition() or 0)

    def add(self, sighting: Sighting, place: int) -> None:
        """Counts one record. `place`: the topic's partition. Raises Scattered."""
        partition, number, time_ms, device = sighting
        count = self.counts.get(partition)
        if count is None:
            count = self.counts[partition] = Count()
        is_new = self._mark(count.seen, number)
        is_later = not is_new or device is None or self._devices.is_later(_hash(device, partition, place), number)
        if time_ms == UNDATED:
            return
        if number > count.highest:
            count.highest, count.highest_ms = number, time_ms
        if time_ms > count.latest_ms:
            count.latest, count.latest_ms = number, time_ms
        if time_ms < self._from_ms:
            count.before = max(count.before, number)
        elif time_ms >= self._to_ms:
            count.after = number if count.after < 0 else min(count.after, number)
        else:
            count.records += 1
            count.first = number if count.first < 0 else min(count.first, number)
            count.last = max(count.last, number)
            if not is_new:
                count.repeated += 1
                self._mark(count.again, number)
            elif not is_later:
                count.out_of_order += 1

    def _mark(self, chunks: Chunks, number: int) -> bool:
        before = len(chunks)
        is_new = add(chunks, number)
        self._chunks -= len(chunks) - before
        if self._chunks < 0:
            raise Scattered
        return is_new


def _hash(device: bytes, partition: str, place: int) -> int:
    return hash((device, partition, place)) & (1 << 64) - 1


class Counter(Protocol):
    """`Counting`, or the compiled one."""

    @property
    def counts(self) -> Mapping[str, Counted]: ...
    @property
    def is_full(self) -> bool: ...
    def take(self, messages: Sequence[F], headers: Sequence[Held], other: Callable[[F, Held], None]) -> None: ...
    def add(self, sighting: Sighting, place: int) -> None: ...


def new_counting(from_ms: int, to_ms: int) -> Counter:
    """Returns the compiled counting if it was built, else `Counting`. Both find the same."""
    if os.environ.get(ENVIRONMENT) != "python":
        with contextlib.suppress(ImportError):
            from ingest.source.core.counting import Counting as Compiled

            return Compiled(from_ms, to_ms)
    return Counting(from_ms, to_ms)
