"""Reads frames that say why something ends even if their text is malformed: the reason is worth more than its form."""

from typing import Any

from ingest.amqp.composites import Composite, composite
from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import decode_body
from ingest.amqp.performatives import Close, Detach, Disposition, End, Transfer
from ingest.amqp.types import Array, Binary, Described, Pairs, Symbol

_REASONS = (Detach, End, Close, Disposition)
_CODES = {kind.CODE for kind in _REASONS}
_PLAIN = frozenset(bytes((0x00, 0x53, kind.CODE)) for kind in (Transfer, *_REASONS))
"""First bytes of the frames whose numbers are never sent back, so that their types do not matter."""


def read_frame(body: bytes) -> tuple[Composite, bytes]:
    """As `decode_body`, but reads text that is not UTF-8 in a reason as far as possible. Raises AmqpError.

    Numbers in maps keep their types in frames whose numbers are sent back.
    """
    try:
        return decode_body(body, typed=body[:3] not in _PLAIN)
    except AmqpError:
        if len(body) < 3 or body[:2] != b"\x00\x53" or body[2] not in _CODES:
            raise
        value, end = decode_as_bytes(body)
        return composite(_as_text(value)), body[end:]


def _as_text(value: Any) -> Any:
    """Turns bytes that stand for text or a symbol into text."""
    match value:
        case Binary():
            return bytes(value)
        case bytes():
            return Symbol(value.decode(errors="replace"))
        case Described(descriptor, inner):
            return Described(_as_text(descriptor), _as_text(inner))
        case Pairs():
            return {str(_as_text(key)): _as_text(each) for key, each in value}
        case Array():
            return Array(map(_as_text, value))
        case list():
            return [_as_text(each) for each in value]
        case dict():
            return {_key(key): _as_text(each) for key, each in value.items()}
        case _:
            return value


def _key(key: Any) -> Any:
    return _as_text(key) if isinstance(key, bytes | int | str) else str(key)
