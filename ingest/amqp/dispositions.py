"""Dispositions in the form that peers write them: there is one for each message, and reading it as any frame takes long. Pure."""

import re
from functools import lru_cache
from typing import Final

from ingest.amqp.composites import Composite
from ingest.amqp.decoding import decode
from ingest.amqp.errors import AmqpError
from ingest.amqp.performatives import Disposition

PREFIX = b"\x00\x53\x15\xc0"
"""How the body of such a frame begins: its descriptor, and a list8."""
_REMEMBERED = 64
_UINT: Final = rb"\x43|\x52.|\x70...."
_FORM: Final = re.compile(
    rb"%b.(?P<fields>[\x03-\x06])(?P<role>[\x41\x42])(?P<first>%b)(?P<last>\x40|%b)(?P<more>.*)"
    % (re.escape(PREFIX), _UINT, _UINT),
    re.DOTALL,
)
"""The numbers are a constructor and its bytes, none for 0."""

_Rest = tuple[bool | None, Composite | None, bool | None]


def read(body: bytes) -> Disposition | None:
    """Returns the disposition that is the whole body, which begins with `PREFIX`. None for any other form or content:
    `frames.decode_body` reads that, or says what is wrong with it."""
    found = _FORM.fullmatch(body)
    if found is None or body[4] != len(body) - 5:
        return None
    fields, role, first, last, more = found.groups()
    rest = _rest(fields, more)
    if rest is None:
        return None
    settled, state, batchable = rest
    return Disposition(
        role=role == b"\x41",
        first=_number(first),
        last=None if last == b"\x40" else _number(last),
        settled=settled,
        state=state,
        batchable=batchable,
    )


def _number(uint: bytes) -> int:
    return int.from_bytes(uint[1:], "big")


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
