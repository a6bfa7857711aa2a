"""Dispositions in the form that peers write them: there is one for each message, and reading it as any frame takes long. Pure."""

from functools import lru_cache

from ingest.amqp.composites import Composite
from ingest.amqp.decoding import decode
from ingest.amqp.errors import AmqpError
from ingest.amqp.performatives import Disposition

PREFIX = b"\x00\x53\x15\xc0"
"""How the body of such a frame begins: its descriptor, and a list8."""
_FIELDS = 6
_REMEMBERED = 64

_Rest = tuple[bool | None, Composite | None, bool | None]


def read(body: bytes) -> Disposition | None:
    """Returns the disposition that is the whole body, which begins with `PREFIX`. None for any other form or content:
    `frames.decode_body` reads that, or says what is wrong with it."""
    if len(body) < 9 or body[4] != len(body) - 5 or not 3 <= body[5] <= _FIELDS or body[6] not in (0x41, 0x42):
        return None
    first, at = _uint(body, 7)
    last, at = (None, at + 1) if body[at : at + 1] == b"\x40" else _uint(body, at)
    if first < 0 or (last is not None and last < 0):
        return None
    rest = _rest(body[5] - 3, body[at:])
    if rest is None:
        return None
    settled, state, batchable = rest
    return Disposition(role=body[6] == 0x41, first=first, last=last, settled=settled, state=state, batchable=batchable)


def _uint(body: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends; a negative one if there is none."""
    match body[at : at + 1]:
        case b"\x43":
            return 0, at + 1
        case b"\x52" if len(body) > at + 1:
            return body[at + 1], at + 2
        case b"\x70" if len(body) > at + 4:
            return int.from_bytes(body[at + 1 : at + 5], "big"), at + 5
        case _:
            return -1, at


@lru_cache(_REMEMBERED)
def _rest(count: int, items: bytes) -> _Rest | None:
    """What follows the numbers is the same for message after message."""
    encoded = bytes((0xC0, len(items) + 1, count)) + items
    try:
        values, end = decode(encoded)
        if end != len(encoded):
            return None
        told = Disposition.from_list([False, 0, None, *values])
    except AmqpError:
        return None
    return told.settled, told.state, told.batchable
