"""Serial numbers: delivery counts, delivery ids and transfer ids, which begin again at 0 after 2^32 - 1 (RFC 1982)."""

from typing import Final

_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


def advanced(number: int, count: int) -> int:
    """`count` after `number`."""
    return (number + count) & _MASK


def distance(later: int, earlier: int) -> int:
    """How far `later` is ahead of `earlier`: -2^31 to 2^31 - 1, negative when it is behind."""
    return ((later - earlier + _HALF) & _MASK) - _HALF


def room(limit: int, base: int, reached: int) -> int:
    """What is left of `limit` that was given when the count was at `base`, now that it has `reached` another: 0 or more.

    This is how both credit and window are computed (AMQP 1.0 parts 2.5.6 and 2.6.7). `limit` may be all of 2^32 - 1.
    """
    return max(0, limit - distance(reached, base))


def covers(first: int, last: int, number: int) -> bool:
    """Whether `number` is one of `first` to `last`, which may lie on the other side of 2^32 - 1."""
    return 0 <= distance(number, first) <= distance(last, first)
