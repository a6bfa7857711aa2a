"""What a device said besides its content, read straight from the sections `properties` and `application-properties`.

The short way for values of simple types, which nearly all are. It refuses what is unusual, which
`ingest.source.events.decoder` then reads: both give the same result for the same bytes.
"""

import struct
from collections.abc import Mapping
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.source.events.decoder import APPLICATION, OTHER_FIELDS, PROPERTIES, TEXT_FIELDS, system_value
from ingest.source.events.event import Labels
from ingest.source.events.values import is_text, label, name_of, plain

PROPERTIES_SECTION = bytes((0x00, 0x53, PROPERTIES))
APPLICATION_SECTION = bytes((0x00, 0x53, APPLICATION))
REMEMBERED = 256
"""The most names, and runs of fields, that are remembered, none longer than this many bytes: 500 KiB at most."""
_SHORT = 64
_FIELDS, _CORRELATION_ID, _CREATION_TIME = 13, 5, 9
"""The number of fields, and the places of some."""
_NULL, _EMPTY_LIST, _TIMESTAMP, _STRING, _SYMBOL, _COMPOUND = 0x40, 0x45, 0x83, 0xA1, 0xA3, 0xC0
"""Types. Those of text hold up to 255 bytes. From the last on, types hold other values, as do two lower ones."""
_LIST, _WIDE_LIST, _MAP, _WIDE_MAP = 0xC0, 0xD0, 0xC1, 0xD1
_UNUSED = bytes((_NULL,) * 3)
_BEFORE_CORRELATION_ID = bytes((_NULL,) * 4 + (_STRING,))
"""What follows the message id if the fields between are unused: devices use none."""
_SIZE_AND_COUNT = struct.Struct(">II").unpack_from
_INT64 = struct.Struct(">q").unpack_from

_Fields = tuple[int, int, str | None, str | None, str | None, dict[str, Any], dict[str, Any]]
"""The place of the first field and the place after the last; correlation id, content type and encoding; the other
fields; and again those of the former that are not text."""


class Sections:
    """Reads them, and remembers what little they nearly all have in common."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        """Encoded key of a property → its name."""
        self._fields: dict[bytes, _Fields] = {}
        """Encoded run of consecutive fields of `properties` → their meaning."""

    def labels(self, buf: bytes, at: int, end: int) -> tuple[Labels, str | None, int]:
        """Returns what the sections that begin at `at` say; the message id; and where they end. Any of them can be
        missing.

        Raises AmqpError, IndexError, struct.error or UnicodeDecodeError for sections that are not complete before `end`, or that
        are unusual.
        """
        message_id = correlation_id = content_type = content_encoding = None
        system: Mapping[str, Any] = {}
        properties: dict[str, Any] = {}
        if buf.startswith(PROPERTIES_SECTION, at):
            count, at, stop = _span(buf, at + 3, end, _LIST, _WIDE_LIST)
            place = 0
            if count and at < stop:
                place = 1
                if buf[at] == _STRING:
                    start = at + 2
                    at = start + buf[at + 1]
                    message_id = buf[start:at].decode()
                elif buf[at] == _NULL:
                    at += 1
                else:
                    raise AmqpError("A message id that is no text.")
            # What can change with every event is read apart, so that the rest can be remembered.
            if count > _CORRELATION_ID and buf.startswith(_BEFORE_CORRELATION_ID, at):
                start = at + len(_BEFORE_CORRELATION_ID) + 1
                at = start + buf[start - 1]
                correlation_id = buf[start:at].decode()
                place = _CORRELATION_ID + 1
            behind = stop
            created_at = stop - (count - _CREATION_TIME - 1) - 9  # besides it, only nulls follow
            if (
                _CREATION_TIME < count <= _FIELDS
                and buf[created_at] == _TIMESTAMP
                and _UNUSED.startswith(buf[created_at + 9 : stop])
            ):
                count, stop = _CREATION_TIME, created_at
            if at > stop:
                raise AmqpError("Fields behind the end of their list.")
            known = self._fields.get(buf[at:stop])
            if known is None or known[0] != place or known[1] != count:
                known = self._read_fields(buf, at, stop, place, count)
            _, _, other_id, content_type, content_encoding, system, no_texts = known
            at = behind
            if place <= _CORRELATION_ID:
                correlation_id = other_id
            if stop != behind:
                system = {**system, OTHER_FIELDS[_CREATION_TIME]: _INT64(buf, stop + 1)[0], **no_texts}
            elif no_texts:
                system = {**system, **no_texts}
        if buf.startswith(APPLICATION_SECTION, at):
            properties, at = self._read_properties(buf, at + 3, end)
        return Labels(correlation_id, content_type, content_encoding, system, properties), message_id, at

    def _read_fields(self, buf: bytes, at: int, stop: int, place: int, count: int) -> _Fields:
        """Reads the fields from this place up to `count`, after the message id."""
        if count > _FIELDS:
            raise AmqpError("More fields than there are.")
        encoded = buf[at:stop]
        texts: dict[int, str | None] = {}
        system: dict[str, Any] = {}
        no_texts: dict[str, Any] = {}
        for number in range(place, count):
            value, at = _scalar(buf, at)
            if value is None:
                continue
            if number in OTHER_FIELDS:
                system[OTHER_FIELDS[number]] = system_value(OTHER_FIELDS[number], value)
                continue
            texts[number] = label(value)
            if not is_text(value):
                no_texts[TEXT_FIELDS[number]] = plain(value)
        if at != stop:
            raise AmqpError("The fields end elsewhere than their list.")
        found = place, count, texts.get(5), texts.get(6), texts.get(7), system, no_texts
        if len(encoded) <= _SHORT:
            _remember(self._fields, encoded, found)
        return found

    def _read_properties(self, buf: bytes, at: int, end: int) -> tuple[dict[str, Any], int]:
        count, at, stop = _span(buf, at, end, _MAP, _WIDE_MAP)
        found: dict[str, Any] = {}
        names = self._names
        while at < stop:
            start = at
            at += 2 + buf[at + 1]
            name = names.get(buf[start:at])
            if name is None:
                name = self._new_name(buf[start:at])
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

    def _new_name(self, encoded: bytes) -> str:
        if encoded[0] not in (_STRING, _SYMBOL) or len(encoded) != 2 + encoded[1]:
            raise AmqpError("A key that is no short text.")
        name = name_of(encoded[2:])
        if len(encoded) <= _SHORT:
            _remember(self._names, encoded, name)
        return name


def _remember(known: dict[bytes, Any], encoded: bytes, found: Any) -> None:
    if len(known) >= REMEMBERED:
        known.clear()
    known[encoded] = found


def _span(buf: bytes, at: int, end: int, small: int, wide: int) -> tuple[int, int, int]:
    """Returns how many values the list or map at `at` has, where the first begins, and where the last ends."""
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
