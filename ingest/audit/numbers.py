"""A set of sequence numbers in little room: one bit each, in chunks that exist where there are numbers. Pure.

A million numbers in a row take 125 KB; the dearest ones, far from each other, some 700 bytes each.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

CHUNK_BITS: Final = 12
"""A chunk has 4,096 numbers in 512 bytes."""
_CHUNK: Final = 1 << CHUNK_BITS
_BYTES: Final = _CHUNK // 8
_WHOLE: Final = (1 << _CHUNK) - 1

Chunks = dict[int, bytearray]
"""Number of a chunk → its bits, the lowest number first. The compiled counting writes these, too."""
Span = tuple[int, int]
"""The first and the last of numbers without a hole."""


class Listed(NamedTuple):
    """The first ones of many spans: every second number of ten million would take a gigabyte."""

    spans: tuple[Span, ...] = ()
    ranges: int = 0
    """How many spans there are, these included."""
    numbers: int = 0
    """How many numbers are in all of them."""


NONE: Final = Listed()


def add(chunks: Chunks, number: int) -> bool:
    """Adds a number from 0 up. Returns whether it was not there."""
    chunk = chunks.get(number >> CHUNK_BITS)
    if chunk is None:
        chunk = chunks[number >> CHUNK_BITS] = bytearray(_BYTES)
    place, bit = (number & (_CHUNK - 1)) >> 3, 1 << (number & 7)
    if chunk[place] & bit:
        return False
    chunk[place] |= bit
    return True


def contains(chunks: Chunks, number: int) -> bool:
    chunk = chunks.get(number >> CHUNK_BITS)
    return chunk is not None and bool(chunk[(number & (_CHUNK - 1)) >> 3] & 1 << (number & 7))


def size(spans: Iterable[Span]) -> int:
    """Returns how many numbers these are."""
    return sum(last - first + 1 for first, last in spans)


def listed(found: Iterable[Span], most: int) -> Listed:
    """Returns up to `most` of the spans, and how many there are."""
    kept: list[Span] = []
    ranges = numbers = 0
    for span in found:
        ranges += 1
        numbers += span[1] - span[0] + 1
        if ranges <= most:
            kept.append(span)
    return Listed(tuple(kept), ranges, numbers)


def spans(chunks: Chunks, first: int, last: int) -> Iterator[Span]:
    """Yields the numbers of the set from `first` to `last`, in order."""
    begun: Span | None = None
    for start, end in _pieces(chunks, first, last):
        if begun is not None and begun[1] + 1 == start:
            begun = begun[0], end
            continue
        if begun is not None:
            yield begun
        begun = start, end
    if begun is not None:
        yield begun


def holes(chunks: Chunks, first: int, last: int) -> Iterator[Span]:
    """Yields the numbers from `first` to `last` that are not in the set, in order."""
    expected = first
    for start, end in spans(chunks, first, last):
        if start > expected:
            yield expected, start - 1
        expected = end + 1
    if expected <= last:
        yield expected, last


def below(chunks: Chunks, number: int) -> int | None:
    """Returns the largest number of the set that is smaller; None if there is none."""
    for key in sorted((key for key in chunks if key << CHUNK_BITS < number), reverse=True):
        bits = _bits(chunks[key])
        if number < (key + 1) << CHUNK_BITS:
            bits &= (1 << (number & (_CHUNK - 1))) - 1
        if bits:
            return (key << CHUNK_BITS) + bits.bit_length() - 1
    return None


def above(chunks: Chunks, number: int) -> int | None:
    """Returns the smallest number of the set that is larger; None if there is none."""
    for key in sorted(key for key in chunks if (key + 1) << CHUNK_BITS > number + 1):
        bits = _bits(chunks[key])
        if number >= key << CHUNK_BITS:
            bits &= ~((2 << (number & (_CHUNK - 1))) - 1)
        if bits:
            return (key << CHUNK_BITS) + (bits & -bits).bit_length() - 1
    return None


def union(one: Chunks, other: Chunks) -> Chunks:
    """Returns the numbers of both; shares what only one of them has."""
    both = {**other, **one}
    for key in one.keys() & other.keys():
        both[key] = bytearray((_bits(one[key]) | _bits(other[key])).to_bytes(_BYTES, "little"))
    return both


def _bits(chunk: bytearray) -> int:
    return int.from_bytes(chunk, "little")


def _pieces(chunks: Chunks, first: int, last: int) -> Iterator[Span]:
    """Yields spans, none across two chunks."""
    for key in sorted(key for key in chunks if first >> CHUNK_BITS <= key <= last >> CHUNK_BITS):
        base = key << CHUNK_BITS
        bits = _bits(chunks[key])
        if last < base + _CHUNK - 1:
            bits &= (2 << (last - base)) - 1
        if first > base:
            bits &= ~((1 << (first - base)) - 1)
        at = base
        while bits:
            zeros = (bits & -bits).bit_length() - 1
            bits >>= zeros
            ones = (~bits & (bits + 1)).bit_length() - 1
            yield at + zeros, at + zeros + ones - 1
            at += zeros + ones
            bits >>= ones
