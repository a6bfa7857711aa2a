"""What a device said besides its content, read straight from the sections `properties` and `application-properties`.

The short way for values of simple types, which nearly all are. It refuses what is unusual, and `ingest.source.message`
reads that: both make the same of the same bytes.
"""

import struct
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.source.event import Labels
from ingest.source.message import APPLICATION, OTHER_FIELDS, PROPERTIES, TEXT_FIELDS, system_value
from ingest.source.values import is_text, label, name_of, plain

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


def read_labels(buf: bytes, at: int, end: int, names: Names) -> tuple[Labels, str | None, int]:
    """What the sections that begin at `at` say; the message id; and where they end. None of them need be there.

    `names` remembers what keys are called. Raises AmqpError, IndexError, struct.error or UnicodeDecodeError for sections that
    are not complete before `end`, or not of simple types.
    """
    texts: list[str | None] = [None] * _FIELDS
    system: dict[str, Any] = {}
    no_texts: dict[str, Any] = {}
    if buf.startswith(PROPERTIES_SECTION, at):
        count, at, stop = _span(buf, at + 3, end, _LIST, _WIDE_LIST)
        if count > _FIELDS:
            raise AmqpError("More fields than there are.")
        for place in range(count):
            code = buf[at]
            if code == _NULL:
                at += 1
            elif code == _STRING:
                start = at + 2
                at = start + buf[at + 1]
                if place in TEXT_FIELDS:
                    texts[place] = buf[start:at].decode()
                else:
                    system[OTHER_FIELDS[place]] = buf[start:at].decode()
            else:
                value, at = _scalar(buf, at)
                if place in OTHER_FIELDS:
                    system[OTHER_FIELDS[place]] = system_value(OTHER_FIELDS[place], value)
                elif is_text(value):
                    texts[place] = value.decode()
                else:
                    texts[place] = label(value)
                    no_texts[TEXT_FIELDS[place]] = plain(value)
        if at != stop:
            raise AmqpError("The fields end elsewhere than their list.")
    properties: dict[str, Any] = {}
    if buf.startswith(APPLICATION_SECTION, at):
        properties, at = _read_properties(buf, at + 3, end, names)
    if no_texts:
        system |= no_texts
    return Labels(texts[5], texts[6], texts[7], system, properties), texts[0], at


def _read_properties(buf: bytes, at: int, end: int, names: Names) -> tuple[dict[str, Any], int]:
    count, at, stop = _span(buf, at, end, _MAP, _WIDE_MAP)
    found: dict[str, Any] = {}
    while at < stop:
        if buf[at] != _STRING and buf[at] != _SYMBOL:
            raise AmqpError("A key that is no short text.")
        start = at + 2
        at = start + buf[at + 1]
        key = buf[start:at]
        name = names.get(key) or _new_name(names, key)
        if buf[at] == _STRING:
            start = at + 2
            at = start + buf[at + 1]
            found[name] = buf[start:at].decode()
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
        stop = at + 2 + buf[at + 1]
        if stop <= end:
            return buf[at + 2], at + 3, stop
    elif code == wide:
        size, count = _SIZE_AND_COUNT(buf, at + 1)
        if at + 5 + size <= end:
            return count, at + 9, at + 5 + size
    elif code == _EMPTY_LIST and small == _LIST:
        return 0, at + 1, at + 1
    raise AmqpError("A section of another type than its own, or longer than its message.")


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
