"""AMQP 1.0 type system: values to bytes and back (AMQP 1.0 part 1).

Decoded values are plain Python: every integer type is `int`, float and double are `float`, binary is `bytes`.
What Python has no type for gets a subclass (`Symbol`, `Timestamp`, `Char`, `Decimal32/64/128`, `Array`) or `Described`.
The encoder takes the same values; `int` goes out as long and `float` as double, unless wrapped (`UInt`, `Float`, …).
"""

import struct
import uuid
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from ingest.amqp.errors import AmqpError

Buffer: TypeAlias = bytes | bytearray | memoryview

MAX_DEPTH = 32
"""Deepest nesting of compound values that is decoded; IoT Hub and its clients stay below 6."""
_ZERO_WIDTH_MAX = 16
"""An array of nulls or trues has no bytes that explain its length, so the length is bounded instead."""


class Symbol(str):
    """symbol: ASCII text from a constrained domain. Equal to, and hashes as, the `str` of the same text."""

    __slots__ = ()


class Timestamp(int):
    """timestamp: milliseconds since 1970-01-01T00:00:00Z."""


class Char(str):
    """char: one Unicode code point."""

    __slots__ = ()


class UByte(int):
    """ubyte, 8 bits."""


class UShort(int):
    """ushort, 16 bits."""


class UInt(int):
    """uint, 32 bits."""


class ULong(int):
    """ulong, 64 bits."""


class Byte(int):
    """byte, 8 bits."""


class Short(int):
    """short, 16 bits."""


class Int(int):
    """int, 32 bits."""


class Float(float):
    """float, 32 bits."""

    __slots__ = ()


class Decimal32(bytes):
    """decimal32 as its 4 raw bytes (IEEE 754-2008, binary integer significand)."""


class Decimal64(bytes):
    """decimal64 as its 8 raw bytes."""


class Decimal128(bytes):
    """decimal128 as its 16 raw bytes."""


class Array(list[Any]):
    """array: values of one type. The first item decides the type when encoding."""


class Described(NamedTuple):
    """A described value: `descriptor` says what `value` means (AMQP 1.0 part 1.2)."""

    descriptor: Any
    value: Any


Reader: TypeAlias = Callable[[Buffer, int, int], tuple[Any, int]]


def decode(buf: Buffer, pos: int = 0) -> tuple[Any, int]:
    """Decode the value that starts at byte `pos`. Returns the value and the position of the byte after it.

    Raises AmqpError for anything that is not a complete AMQP 1.0 value.
    """
    try:
        return _decode(buf, pos, 0)
    except (IndexError, struct.error):
        raise AmqpError(f"The value at byte {pos} is cut short after {len(buf) - pos} bytes.") from None


def _decode(buf: Buffer, pos: int, depth: int) -> tuple[Any, int]:
    read = _READERS[buf[pos]]
    if read is None:
        raise AmqpError(f"Byte {pos} is 0x{buf[pos]:02x}, which is no AMQP 1.0 type.")
    return read(buf, pos + 1, depth)


def _constant(value: Any) -> Reader:
    return lambda buf, pos, depth: (value, pos)


def _fixed(layout: str, convert: Callable[[Any], Any] | None = None) -> Reader:
    packed = struct.Struct(">" + layout)
    unpack, width = packed.unpack_from, packed.size
    if convert is None:
        return lambda buf, pos, depth: (unpack(buf, pos)[0], pos + width)
    return lambda buf, pos, depth: (convert(unpack(buf, pos)[0]), pos + width)


def _char(code_point: int) -> Char:
    if code_point > 0x10FFFF:
        raise AmqpError(f"0x{code_point:x} is no Unicode code point.")
    return Char(chr(code_point))


_WIDTHS = {1: struct.Struct(">B").unpack_from, 4: struct.Struct(">I").unpack_from}
_PAIRS = {1: struct.Struct(">BB").unpack_from, 4: struct.Struct(">II").unpack_from}


def _variable(width: int, convert: Callable[[Buffer], Any]) -> Reader:
    unpack = _WIDTHS[width]

    def read(buf: Buffer, pos: int, depth: int) -> tuple[Any, int]:
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
    """Item count, first byte and end of a compound value whose size field is at `pos`."""
    if depth >= MAX_DEPTH:
        raise AmqpError(f"Values are nested more than {MAX_DEPTH} deep at byte {pos - 1}.")
    size, count = _PAIRS[width](buf, pos)
    start = pos + 2 * width
    end = pos + width + size
    if end > len(buf) or start > end:
        raise AmqpError(f"The compound at byte {pos - 1} says {size} bytes, {len(buf) - pos - width} are there.")
    return count, start, end


def _items(buf: Buffer, pos: int, width: int, depth: int) -> tuple[list[Any], int]:
    count, at, end = _span(buf, pos, width, depth)
    if count > end - at:
        raise AmqpError(f"The compound at byte {pos - 1} says {count} items in {end - at} bytes.")
    items = []
    for _ in range(count):
        item, at = _decode(buf, at, depth + 1)
        items.append(item)
    if at != end:
        raise AmqpError(f"The compound at byte {pos - 1} ends at byte {at}, its size says {end}.")
    return items, end


def _list(width: int) -> Reader:
    return lambda buf, pos, depth: _items(buf, pos, width, depth)


def _map(width: int) -> Reader:
    def read(buf: Buffer, pos: int, depth: int) -> tuple[dict[Any, Any], int]:
        items, end = _items(buf, pos, width, depth)
        if len(items) % 2:
            raise AmqpError(f"The map at byte {pos - 1} has {len(items)} items, an odd number.")
        try:
            return dict(zip(items[::2], items[1::2], strict=True)), end
        except TypeError:
            raise AmqpError(f"The map at byte {pos - 1} has a compound value as key.") from None

    return read


def _array(width: int) -> Reader:
    def read(buf: Buffer, pos: int, depth: int) -> tuple[Array, int]:
        count, at, end = _span(buf, pos, width, depth)
        if at == end and count == 0:
            return Array(), end
        code, at = buf[at], at + 1
        descriptor: Any = None
        described = code == 0
        if described:
            descriptor, at = _decode(buf, at, depth + 1)
            code, at = buf[at], at + 1
        item_reader = _READERS[code]
        if item_reader is None or code == 0:
            raise AmqpError(f"The array at byte {pos - 1} holds items of type 0x{code:02x}, which is none.")
        if count > (_ZERO_WIDTH_MAX if code >> 4 == 4 else end - at):
            raise AmqpError(f"The array at byte {pos - 1} says {count} items in {end - at} bytes.")
        items = Array()
        for _ in range(count):
            item, at = item_reader(buf, at, depth + 1)
            items.append(Described(descriptor, item) if described else item)
        if at != end:
            raise AmqpError(f"The array at byte {pos - 1} ends at byte {at}, its size says {end}.")
        return items, end

    return read


def _described(buf: Buffer, pos: int, depth: int) -> tuple[Described, int]:
    if depth >= MAX_DEPTH:
        raise AmqpError(f"Values are nested more than {MAX_DEPTH} deep at byte {pos - 1}.")
    descriptor, pos = _decode(buf, pos, depth + 1)
    value, pos = _decode(buf, pos, depth + 1)
    return Described(descriptor, value), pos


_READERS: list[Reader | None] = [None] * 256
for _code, _reader in {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda buf, pos, depth: ([], pos),
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


NULL = b"\x40"
_U32 = struct.Struct(">I").pack


def encode(value: object) -> bytes:
    """Encode one value in its smallest form. Raises AmqpError for a value that AMQP 1.0 cannot carry."""
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise AmqpError(f"A {type(value).__name__} cannot be sent over AMQP.")
    try:
        return writer(value)
    except struct.error:
        raise AmqpError(f"{value!r} does not fit into an AMQP {type(value).__name__.lower()}.") from None
    except UnicodeEncodeError:
        raise AmqpError(f"{value!r} cannot be sent as AMQP {type(value).__name__.lower()}.") from None


def encode_list(items: Iterable[bytes]) -> bytes:
    """A list8 or list32 of items that are encoded already; never list0, which azure-eventhub's decoder cannot index."""
    return _compound(0xC0, 0xD0, list(items))


def encode_map(pairs: Iterable[bytes]) -> bytes:
    """A map8 or map32 of keys and values, in turn, that are encoded already."""
    return _compound(0xC1, 0xD1, list(pairs))


def _compound(small: int, large: int, items: list[bytes]) -> bytes:
    body = b"".join(items)
    if len(body) < 255 and len(items) < 256:
        return bytes((small, len(body) + 1, len(items))) + body
    return bytes((large,)) + _U32(len(body) + 4) + _U32(len(items)) + body


def _number(code: int, layout: str, small: int | None = None, zero: int | None = None) -> Callable[[Any], bytes]:
    wide = struct.Struct(">B" + layout)
    low, high = (0, 255) if layout.isupper() else (-128, 127)

    def write(value: Any) -> bytes:
        if zero is not None and value == 0:
            return bytes((zero,))
        if small is not None and low <= value <= high:
            return bytes((small, value & 0xFF))
        return wide.pack(code, value)

    return write


def _bytes(small: int, large: int, raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes((small, len(raw))) + raw
    return bytes((large,)) + _U32(len(raw)) + raw


def _write_array(value: Array) -> bytes:
    if not value:
        return b"\xe0\x02\x00\x40"
    kind = type(value[0])
    if any(type(item) is not kind for item in value):
        raise AmqpError("The items of an AMQP array must all have one type.")
    if kind not in _ARRAY_ITEMS:
        raise AmqpError(f"An AMQP array of {kind.__name__} cannot be sent.")
    code, write = _ARRAY_ITEMS[kind]
    body = b"".join(write(item) for item in value)
    return b"\xf0" + _U32(len(body) + 5) + _U32(len(value)) + bytes((code,)) + body


def _wide(layout: str) -> Callable[[Any], bytes]:
    return struct.Struct(">" + layout).pack


def _sized(raw: bytes) -> bytes:
    return _U32(len(raw)) + raw


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: NULL,
    bool: lambda value: b"\x41" if value else b"\x42",
    UByte: _number(0x50, "B"),
    UShort: _number(0x60, "H"),
    UInt: _number(0x70, "I", 0x52, 0x43),
    ULong: _number(0x80, "Q", 0x53, 0x44),
    Byte: _number(0x51, "b"),
    Short: _number(0x61, "h"),
    Int: _number(0x71, "i", 0x54),
    int: _number(0x81, "q", 0x55),
    Timestamp: _number(0x83, "q"),
    Float: _number(0x72, "f"),
    float: _number(0x82, "d"),
    Char: lambda value: b"\x73" + _U32(ord(value)),
    Decimal32: lambda value: b"\x74" + struct.pack("4s", value),
    Decimal64: lambda value: b"\x84" + struct.pack("8s", value),
    Decimal128: lambda value: b"\x94" + struct.pack("16s", value),
    uuid.UUID: lambda value: b"\x98" + value.bytes,
    bytes: lambda value: _bytes(0xA0, 0xB0, value),
    str: lambda value: _bytes(0xA1, 0xB1, value.encode()),
    Symbol: lambda value: _bytes(0xA3, 0xB3, value.encode("ascii")),
    list: lambda value: encode_list(map(encode, value)) if value else b"\x45",
    dict: lambda value: encode_map(encode(half) for pair in value.items() for half in pair),
    Array: _write_array,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}

_ARRAY_ITEMS: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    bool: (0x56, _wide("?")),
    UInt: (0x70, _wide("I")),
    ULong: (0x80, _wide("Q")),
    Int: (0x71, _wide("i")),
    int: (0x81, _wide("q")),
    float: (0x82, _wide("d")),
    Timestamp: (0x83, _wide("q")),
    uuid.UUID: (0x98, lambda value: value.bytes),
    bytes: (0xB0, _sized),
    str: (0xB1, lambda value: _sized(value.encode())),
    Symbol: (0xB3, lambda value: _sized(value.encode("ascii"))),
}
