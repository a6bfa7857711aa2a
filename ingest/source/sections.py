"""What a device said besides its content, read straight from the sections `properties` and `application-properties`.

The short way for values of simple types, which nearly all are. It refuses what is unusual, and `ingest.source.message`
reads that: both make the same of the same bytes.
"""

import struct
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.source.message import APPLICATION, PROPERTIES
from ingest.source.values import name_of, plain

PROPERTIES_SECTION = bytes((0x00, 0x53, PROPERTIES))
APPLICATION_SECTION = bytes((0x00, 0x53, APPLICATION))
NAMES = 512
NAME_BYTES = 64
"""So many names of properties are remembered, and none that is longer: 200 KiB at most."""
_FIELDS = 13
_NULL, _EMPTY_LIST, _STRING, _SYMBOL, _COMPOUND = 0x40, 0x45, 0xA1, 0xA3, 0xC0
"""Types. Those up to 255 bytes, of text; and the first of those that hold other values, but for two of lower codes."""
_TEXTS = (_STRING, _SYMBOL)
_LIST, _WIDE_LIST, _MAP, _WIDE_MAP = 0xC0, 0xD0, 0xC1, 0xD1
_SIZE_AND_COUNT = struct.Struct(">II").unpack_from

Names = dict[bytes, str]


def read_fields(buf: bytes, at: int, end: int) -> tuple[list[Any], int]:
    """The fields of `properties`, text as bytes, whose list begins at `at`; and where that ends.

    Raises AmqpError, IndexError or struct.error for what is not complete before `end`, or not of simple types.
    """
    if buf[at] == _EMPTY_LIST:
        return [], at + 1
    count, at, stop = _span(buf, at, end, _LIST, _WIDE_LIST)
    if count > _FIELDS:
        raise AmqpError("More fields than `properties` has.")
    fields: list[Any] = []
    for _ in range(count):
        code = buf[at]
        if code == _NULL:
            fields.append(None)
            at += 1
        elif code in _TEXTS:
            start = at + 2
            at = start + buf[at + 1]
            fields.append(buf[start:at])
        else:
            value, at = _scalar(buf, at)
            fields.append(value)
    if at != stop:
        raise AmqpError("The fields end elsewhere than their list.")
    return fields, at


def read_properties(buf: bytes, at: int, end: int, names: Names) -> tuple[dict[str, Any], int]:
    """The application properties, as `Labels.properties` has them, whose map begins at `at`; and where that ends.

    `names` remembers what keys are called. Raises as `read_fields`, and AmqpError for keys that are no text or come twice.
    """
    count, at, stop = _span(buf, at, end, _MAP, _WIDE_MAP)
    found: dict[str, Any] = {}
    while at < stop:
        if buf[at] not in _TEXTS:
            raise AmqpError("A key that is no short text.")
        start = at + 2
        at = start + buf[at + 1]
        key = buf[start:at]
        name = names.get(key) or _new_name(names, key)
        if buf[at] == _STRING:
            start = at + 2
            at = start + buf[at + 1]
            try:
                found[name] = str(buf[start:at], "utf-8")
            except UnicodeDecodeError:
                found[name] = plain(buf[start:at])
        else:
            value, at = _scalar(buf, at)
            found[name] = plain(value)
    if at != stop or 2 * len(found) != count:
        raise AmqpError("The properties end elsewhere than their map, or a key comes twice.")
    return found, at


def _span(buf: bytes, at: int, end: int, small: int, wide: int) -> tuple[int, int, int]:
    """How many values the list or map at `at` has, where the first begins, and where the last ends."""
    code = buf[at]
    if code == small:
        count, first, stop = buf[at + 2], at + 3, at + 2 + buf[at + 1]
    elif code == wide:
        size, count = _SIZE_AND_COUNT(buf, at + 1)
        first, stop = at + 9, at + 5 + size
    else:
        raise AmqpError("A section of another type than its own.")
    if not first <= stop <= end:
        raise AmqpError("A section longer than its message.")
    return count, first, stop


def _scalar(buf: bytes, at: int) -> tuple[Any, int]:
    code = buf[at]
    if code < _NULL or code == _EMPTY_LIST or code >= _COMPOUND:
        raise AmqpError("A value that holds others.")  # how deep they may be nested is counted from the section
    return decode_as_bytes(buf, at)


def _new_name(names: Names, key: bytes) -> str:
    name = name_of(key)
    if len(key) <= NAME_BYTES:
        if len(names) >= NAMES:
            names.clear()
        names[key] = name
    return name
