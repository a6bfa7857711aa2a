"""Bytes → values (AMQP 1.0 part 1): index-based over one buffer, bounded in depth and size."""

import struct
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from ingest.amqp.errors import AmqpError
from ingest.amqp.types import (
    Array,
    Binary,
    Buffer,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Pairs,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

MAX_DEPTH = 32
"""Deepest nesting of compound values that is decoded; IoT Hub and its clients stay below 6."""
_ZERO_WIDTH_MAX = 16
"""The items of an array of nulls or trues have no bytes, so this bounds their number, as the array's size does for others."""


Readers: TypeAlias = "list[Reader | None]"
Reader: TypeAlias = Callable[[Buffer, int, int, Readers], tuple[Any, int]]


def decode(buf: Buffer, pos: int = 0) -> tuple[Any, int]:
    """Decodes the value that starts at byte `pos`. Returns it and the position of the byte after it.

    Raises AmqpError if there is no complete AMQP 1.0 value.
    """
    return _whole(buf, pos, _READERS)


def decode_as_bytes(buf: Buffer, pos: int = 0) -> tuple[Any, int]:
    """As `decode`, but keeps whatever the peer sent as it is.

    Strings and symbols stay bytes, because they can be in any encoding; a binary is `Binary`; a float of 32 bits is `Float`; a
    map that a Python dict cannot hold, because two of its keys are equal in Python or one is a compound value, is `Pairs`.
    """
    return _whole(buf, pos, _TEXT_AS_BYTES)


def decode_typed(buf: Buffer, pos: int = 0) -> tuple[Any, int]:
    """As `decode`, but every number keeps its type (`UInt`, `ULong`, `Float`, …): encoding it again gives the same bytes."""
    return _whole(buf, pos, _TYPED)


def _whole(buf: Buffer, pos: int, readers: Readers) -> tuple[Any, int]:
    try:
        return _decode(buf, pos, 0, readers)
    except (IndexError, struct.error):
        raise AmqpError(f"The value at byte {pos} is cut short after {len(buf) - pos} bytes.") from None


def _decode(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[Any, int]:
    read = readers[buf[pos]]
    if read is None:
        raise AmqpError(f"Byte {pos} is 0x{buf[pos]:02x}, which is no AMQP 1.0 type.")
    return read(buf, pos + 1, depth, readers)


def _constant(value: Any) -> Reader:
    return lambda buf, pos, depth, readers: (value, pos)


def _fixed(layout: str, convert: Callable[[Any], Any] | None = None) -> Reader:
    packed = struct.Struct(">" + layout)
    unpack, width = packed.unpack_from, packed.size
    if convert is None:
        return lambda buf, pos, depth, readers: (unpack(buf, pos)[0], pos + width)
    return lambda buf, pos, depth, readers: (convert(unpack(buf, pos)[0]), pos + width)


def _char(code_point: int) -> Char:
    if code_point > 0x10FFFF or 0xD800 <= code_point < 0xE000:  # surrogates are halves of UTF-16, not characters
        raise AmqpError(f"0x{code_point:x} is no Unicode character.")
    return Char(chr(code_point))


_WIDTHS = {1: struct.Struct(">B").unpack_from, 4: struct.Struct(">I").unpack_from}
_PAIRS = {1: struct.Struct(">BB").unpack_from, 4: struct.Struct(">II").unpack_from}


def _variable(width: int, convert: Callable[[Buffer], Any]) -> Reader:
    unpack = _WIDTHS[width]

    def read(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[Any, int]:
        start = pos + width
        end = start + unpack(buf, pos)[0]
        if end > len(buf):
            raise AmqpError(f"The value at byte {pos - 1} says {end - start} bytes, {len(buf) - start} are there.")
        try:
            return convert(buf[start:end]), end
        except UnicodeDecodeError:
            raise AmqpError(f"The text at byte {pos - 1} is not in its encoding.") from None

    return read


def _text(raw: Buffer) -> str:
    return str(raw, "utf-8")


def _symbol(raw: Buffer) -> Symbol:
    return Symbol(str(raw, "ascii"))


def _span(buf: Buffer, pos: int, width: int, depth: int) -> tuple[int, int, int]:
    """Returns item count, first byte and end of a compound value whose size field is at `pos`."""
    if depth >= MAX_DEPTH:
        raise AmqpError(f"Values are nested more than {MAX_DEPTH} deep at byte {pos - 1}.")
    size, count = _PAIRS[width](buf, pos)
    start = pos + 2 * width
    end = pos + width + size
    if end > len(buf) or start > end:
        raise AmqpError(f"The compound at byte {pos - 1} says {size} bytes, {len(buf) - pos - width} are there.")
    return count, start, end


def _items(buf: Buffer, pos: int, width: int, depth: int, readers: Readers) -> tuple[list[Any], int]:
    count, at, end = _span(buf, pos, width, depth)
    if count > end - at:
        raise AmqpError(f"The compound at byte {pos - 1} says {count} items in {end - at} bytes.")
    items = []
    for _ in range(count):
        item, at = _decode(buf, at, depth + 1, readers)
        items.append(item)
    if at != end:
        raise AmqpError(f"The compound at byte {pos - 1} ends at byte {at}, its size says {end}.")
    return items, end


def _list(width: int) -> Reader:
    return lambda buf, pos, depth, readers: _items(buf, pos, width, depth, readers)


def _map(width: int) -> Reader:
    def read(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[dict[Any, Any], int]:
        items, end = _items(buf, pos, width, depth, readers)
        if len(items) % 2:
            raise AmqpError(f"The map at byte {pos - 1} has {len(items)} items, an odd number.")
        try:
            return dict(zip(items[::2], items[1::2], strict=True)), end
        except TypeError:
            raise AmqpError(f"The map at byte {pos - 1} has a compound value as key.") from None

    return read


def _array(width: int) -> Reader:
    def read(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[Array, int]:
        count, at, end = _span(buf, pos, width, depth)
        if at == end and count == 0:
            return Array(), end
        code, at = buf[at], at + 1
        descriptor: Any = None
        described = code == 0
        if described:
            descriptor, at = _decode(buf, at, depth + 1, readers)
            code, at = buf[at], at + 1
        item_reader = readers[code]
        if item_reader is None or code == 0:
            raise AmqpError(f"The array at byte {pos - 1} holds items of type 0x{code:02x}, which is none.")
        if count > (_ZERO_WIDTH_MAX if code >> 4 == 4 else end - at):
            raise AmqpError(f"The array at byte {pos - 1} says {count} items in {end - at} bytes.")
        items = Array()
        for _ in range(count):
            item, at = item_reader(buf, at, depth + 1, readers)
            items.append(Described(descriptor, item) if described else item)
        if at != end:
            raise AmqpError(f"The array at byte {pos - 1} ends at byte {at}, its size says {end}.")
        return items, end

    return read


def _described(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[Described, int]:
    if depth >= MAX_DEPTH:
        raise AmqpError(f"Values are nested more than {MAX_DEPTH} deep at byte {pos - 1}.")
    descriptor, pos = _decode(buf, pos, depth + 1, readers)
    value, pos = _decode(buf, pos, depth + 1, readers)
    return Described(descriptor, value), pos


_READERS: Readers = [None] * 256
for _code, _reader in {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda buf, pos, depth, readers: ([], pos),
    0x50: _fixed("B"),
    0x51: _fixed("b"),
    0x52: _fixed("B"),
    0x53: _fixed("B"),
    0x54: _fixed("b"),
    0x55: _fixed("b"),
    0x56: _fixed("?"),
    0x60: _fixed("H"),
    0x61: _fixed("h"),
    0x70: _fixed("I"),
    0x71: _fixed("i"),
    0x72: _fixed("f"),
    0x73: _fixed("I", _char),
    0x74: _fixed("4s", Decimal32),
    0x80: _fixed("Q"),
    0x81: _fixed("q"),
    0x82: _fixed("d"),
    0x83: _fixed("q", Timestamp),
    0x84: _fixed("8s", Decimal64),
    0x94: _fixed("16s", Decimal128),
    0x98: _fixed("16s", lambda raw: uuid.UUID(bytes=raw)),
    0xA0: _variable(1, bytes),
    0xA1: _variable(1, _text),
    0xA3: _variable(1, _symbol),
    0xB0: _variable(4, bytes),
    0xB1: _variable(4, _text),
    0xB3: _variable(4, _symbol),
    0xC0: _list(1),
    0xC1: _map(1),
    0xD0: _list(4),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}.items():
    _READERS[_code] = _reader


def _pairs(width: int) -> Reader:
    def read(buf: Buffer, pos: int, depth: int, readers: Readers) -> tuple[dict[Any, Any] | Pairs, int]:
        items, end = _items(buf, pos, width, depth, readers)
        if len(items) % 2:
            raise AmqpError(f"The map at byte {pos - 1} has {len(items)} items, an odd number.")
        pairs = Pairs(zip(items[::2], items[1::2], strict=True))
        try:
            found = dict(pairs)
        except TypeError:
            return pairs, end
        return (found if len(found) == len(pairs) else pairs), end

    return read


_TEXT_AS_BYTES: Readers = [*_READERS]
for _code, _width in {0xC1: 1, 0xD1: 4}.items():
    _TEXT_AS_BYTES[_code] = _pairs(_width)
for _code, _width in {0xA0: 1, 0xB0: 4}.items():
    _TEXT_AS_BYTES[_code] = _variable(_width, Binary)
for _code, _width in {0xA1: 1, 0xA3: 1, 0xB1: 4, 0xB3: 4}.items():
    _TEXT_AS_BYTES[_code] = _variable(_width, bytes)
_TEXT_AS_BYTES[0x72] = _fixed("f", Float)

_TYPED: Readers = [*_READERS]
for _code, _reader in {
    0x43: _constant(UInt(0)),
    0x44: _constant(ULong(0)),
    0x50: _fixed("B", UByte),
    0x51: _fixed("b", Byte),
    0x52: _fixed("B", UInt),
    0x53: _fixed("B", ULong),
    0x54: _fixed("b", Int),
    0x60: _fixed("H", UShort),
    0x61: _fixed("h", Short),
    0x70: _fixed("I", UInt),
    0x71: _fixed("i", Int),
    0x72: _fixed("f", Float),
    0x80: _fixed("Q", ULong),
}.items():
    _TYPED[_code] = _reader
