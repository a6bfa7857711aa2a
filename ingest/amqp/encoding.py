"""Values to bytes (AMQP 1.0 part 1), each in its smallest form."""

import struct
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ingest.amqp.errors import AmqpError
from ingest.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

NULL = b"\x40"
_U32 = struct.Struct(">I").pack


def encode(value: object) -> bytes:
    """Returns one value in its smallest form. Raises AmqpError if AMQP 1.0 cannot carry it."""
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
    """Returns a list8 or list32 of encoded items; never list0, which azure-eventhub's decoder cannot index."""
    return _compound(0xC0, 0xD0, list(items))


def encode_map(pairs: Iterable[bytes]) -> bytes:
    """Returns a map8 or map32 of encoded keys and values, in turn."""
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


_long, _ulong = _number(0x81, "q", 0x55), _number(0x80, "Q", 0x53, 0x44)


def _integer(value: int) -> bytes:
    """Returns a long, or a ulong if the value fits only there: the decoder can have read one."""
    return _ulong(value) if value >= 1 << 63 else _long(value)


def _write_array(value: Array) -> bytes:
    if not value:
        return b"\xe0\x02\x00\x40"
    lead, body = _array_body(value)
    return b"\xf0" + _U32(len(lead) + len(body) + 4) + _U32(len(value)) + lead + body


def _array_body(items: list[Any]) -> tuple[bytes, bytes]:
    """Returns the constructor that all items share, and the items without it."""
    kind = type(items[0])
    if any(type(item) is not kind for item in items):
        raise AmqpError("The items of an AMQP array must all have one type.")
    if kind is Described:
        descriptor = items[0].descriptor
        if any(item.descriptor != descriptor for item in items):
            raise AmqpError("The items of an AMQP array must all have one descriptor.")
        lead, body = _array_body([item.value for item in items])
        return b"\x00" + _descriptor(descriptor) + lead, body
    if kind is type(None):
        return NULL, b""
    if kind not in _ARRAY_ITEMS:
        raise AmqpError(f"An AMQP array of {kind.__name__} cannot be sent.")
    code, write = _ARRAY_ITEMS[kind]
    return bytes((code,)), b"".join(write(item) for item in items)


def _descriptor(value: object) -> bytes:
    """Returns a descriptor; a number is a ulong, whatever it was decoded to (AMQP 1.0 part 1.5); others are reserved."""
    return encode(ULong(value) if type(value) is int and value >= 0 else value)


def _wide(layout: str) -> Callable[[Any], bytes]:
    return struct.Struct(">" + layout).pack


def _wide_compound(items: list[bytes]) -> bytes:
    body = b"".join(items)
    return _U32(len(body) + 4) + _U32(len(items)) + body


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
    int: _integer,
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
    Described: lambda value: b"\x00" + _descriptor(value.descriptor) + encode(value.value),
}

_ARRAY_ITEMS: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    bool: (0x56, _wide("?")),
    UByte: (0x50, _wide("B")),
    UShort: (0x60, _wide("H")),
    UInt: (0x70, _wide("I")),
    ULong: (0x80, _wide("Q")),
    Byte: (0x51, _wide("b")),
    Short: (0x61, _wide("h")),
    Int: (0x71, _wide("i")),
    int: (0x81, _wide("q")),
    Float: (0x72, _wide("f")),
    float: (0x82, _wide("d")),
    Timestamp: (0x83, _wide("q")),
    Char: (0x73, lambda value: _U32(ord(value))),
    Decimal32: (0x74, _wide("4s")),
    Decimal64: (0x84, _wide("8s")),
    Decimal128: (0x94, _wide("16s")),
    uuid.UUID: (0x98, lambda value: value.bytes),
    bytes: (0xB0, _sized),
    str: (0xB1, lambda value: _sized(value.encode())),
    Symbol: (0xB3, lambda value: _sized(value.encode("ascii"))),
    list: (0xD0, lambda value: _wide_compound([encode(item) for item in value])),
    dict: (0xD1, lambda value: _wide_compound([encode(half) for pair in value.items() for half in pair])),
    Array: (0xF0, lambda value: _write_array(value)[1:] if value else _U32(5) + _U32(0) + NULL),
}
