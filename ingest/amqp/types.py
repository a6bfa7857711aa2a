"""AMQP 1.0 type system: how values look in Python (AMQP 1.0 part 1).

Decoded values are plain Python: every integer type is `int`, float and double are `float`, binary is `bytes`.
A type that Python does not have gets a subclass (`Symbol`, `Timestamp`, `Char`, `Decimal32/64/128`, `Array`) or `Described`.
The encoder takes the same values; it writes `int` as long and `float` as double, unless wrapped (`UInt`, `Float`, …).
"""

from typing import Any, NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


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


class Binary(bytes):
    """binary, where strings are decoded to bytes as well; never equal to one of those."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is Binary and bytes.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Binary, bytes(self)))


class Pairs(list[tuple[Any, Any]]):
    """map that a Python `dict` cannot hold: two keys are equal in Python, or one is a compound value."""


class Array(list[Any]):
    """array: values of one type. The first item decides the type when encoding."""


class Described(NamedTuple):
    """A described value: `descriptor` says what `value` means (AMQP 1.0 part 1.2)."""

    descriptor: Any
    value: Any
