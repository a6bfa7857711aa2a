"""Dispositions in the form that peers write: there is one for each message, and reading it as any frame takes long. Pure."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.amqp.composites import Composite
from ingest.amqp.decoding import decode
from ingest.amqp.errors import AmqpError
from ingest.amqp.performatives import Disposition

PREFIX: Final = b"\x00\x53\x15\xc0"
"""How the body of such a frame begins: its descriptor, and a list8."""
_REMEMBERED = 64
_UINT: Final = rb"\x43|\x52.|\x70...."
_HEAD: Final = re.compile(
    rb"\x00\x00\x00.\x02\x00(..)%b.([\x03-\x06])([\x41\x42])(%b)(?:\x40|\4)" % (re.escape(PREFIX), _UINT), re.DOTALL
)
"""Of a frame about one delivery: size, channel, fields, role, first and last. The numbers are a constructor and its bytes, none
for 0."""
_SIZE_AT: Final = 3
_LIST_SIZE_AT: Final = 12

_Rest = tuple[bool | None, Composite | None, bool | None]


class Run(NamedTuple):
    """Frames, one behind the other, that say the same of one delivery each."""

    channel: int
    numbers: list[int]
    """Of the deliveries."""
    said: Disposition
    """Of the first of them."""


def run_at(buf: bytes, pos: int) -> tuple[Run | None, int]:
    """Returns the dispositions at `pos`, and where the next frame begins. None for a frame that is not here as a whole, and for
    any other form or content: `frames.decode_body` reads that, or says what is wrong with it."""
    numbers: list[int] = []
    same: tuple[bytes, ...] | None = None
    rest: _Rest | None = None
    while (found := _HEAD.match(buf, pos)) is not None:
        at, end = found.end(), pos + buf[pos + _SIZE_AT]
        if not at <= end <= len(buf) or buf[pos + _LIST_SIZE_AT] != end - pos - _LIST_SIZE_AT - 1:
            break
        channel, fields, role, first = found.groups()
        says = (channel, fields, role, buf[at:end])
        if same is None:
            if (rest := _rest(fields, says[-1])) is None:
                break
            same = says
        elif says != same:
            break
        numbers.append(int.from_bytes(first[1:]))
        pos = end
    if same is None or rest is None:
        return None, pos
    settled, state, batchable = rest
    said = Disposition(role=same[2] == b"\x41", first=numbers[0], settled=settled, state=state, batchable=batchable)
    return Run(int.from_bytes(same[0]), numbers, said), pos


@lru_cache(_REMEMBERED)
def _rest(fields: bytes, items: bytes) -> _Rest | None:
    """What follows the numbers is the same for message after message. `fields`: how many the list has, with the numbers."""
    encoded = bytes((0xC0, len(items) + 1, fields[0] - 3)) + items
    try:
        values, end = decode(encoded)
        if end != len(encoded):
            return None
        told = Disposition.from_list([False, 0, None, *values])
    except AmqpError:
        return None
    return told.settled, told.state, told.batchable
