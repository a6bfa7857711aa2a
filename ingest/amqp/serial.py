"""Serial numbers: delivery counts, delivery ids and transfer ids, which wrap to 0 after 2^32 - 1 (RFC 1982)."""

from collections.abc import Collection
from typing import Final

_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


def advanced(number: int, count: int) -> int:
    """Returns the number that comes `count` after `number`."""
    return (number + count) & _MASK


def distance(later: int, earlier: int) -> int:
    """Returns how far `later` is ahead of `earlier`: -2^31 to 2^31 - 1, negative if it is behind."""
    return ((later - earlier + _HALF) & _MASK) - _HALF


def room(limit: int, base: int, reached: int) -> int:
    """Returns what is left, 0 or more, of a `limit` granted when the count was `base`, now that it has `reached` another.

    Both credit and window are computed like this (AMQP 1.0 parts 2.5.6 and 2.6.7). `limit` can be as high as 2^32 - 1.
    """
    return max(0, limit - distance(reached, base))


def stretch(first: int, last: int, known: Collection[int]) -> list[int]:
    """Returns the numbers from `first` to `last`, or, where these are more than the `known` ones, those of them alone."""
    ahead = distance(last, first)
    if ahead < len(known):
        return [advanced(first, step) for step in range(ahead + 1)]
    return [number for number in known if covers(first, last, number)]


def covers(first: int, last: int, number: int) -> bool:
    """Whether `number` is one of `first` to `last`; the range can wrap at 2^32 - 1."""
    return 0 <= distance(number, first) <= distance(last, first)
