"""Against the values that IEEE 754-2008 gives its encodings."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.decimals import to_decimal

# Bytes → exponent bits, bias, digits of the largest significand.
FORMATS = {4: (8, 101, 7), 8: (10, 398, 16), 16: (14, 6176, 34)}


def small(width: int, sign: int, exponent: int, significand: int) -> bytes:
    """The encoding whose exponent follows the sign."""
    exponent_bits, bias, _ = FORMATS[width]
    shift = 8 * width - 1 - exponent_bits
    return (sign << (8 * width - 1) | (exponent + bias) << shift | significand).to_bytes(width, "big")


def large(width: int, sign: int, exponent: int, significand: int) -> bytes:
    """The encoding of significands that need one bit more: 0b11 in front of the exponent."""
    exponent_bits, bias, _ = FORMATS[width]
    shift = 8 * width - 3 - exponent_bits
    low = significand & ((1 << shift) - 1)
    return (sign << (8 * width - 1) | 3 << (8 * width - 3) | (exponent + bias) << shift | low).to_bytes(width, "big")


@st.composite
def values(draw: st.DrawFn) -> tuple[bytes, Decimal]:
    width = draw(st.sampled_from(sorted(FORMATS)))
    exponent_bits, bias, digits = FORMATS[width]
    sign = draw(st.integers(0, 1))
    exponent = draw(st.integers(-bias, 3 * (1 << (exponent_bits - 2)) - 1 - bias))
    significand = draw(st.integers(0, 10**digits - 1))
    fits = significand < 1 << (8 * width - 1 - exponent_bits)
    raw = (small if fits else large)(width, sign, exponent, significand)
    return raw, Decimal((sign, tuple(map(int, str(significand))), exponent))


@given(value=values())
def test_any_value(value: tuple[bytes, Decimal]) -> None:
    raw, wanted = value
    found = to_decimal(raw)
    assert found.as_tuple() == wanted.as_tuple()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (bytes(4), "0E-101"),
        (small(4, 0, 0, 1), "1"),
        (small(8, 1, -2, 150), "-1.50"),
        (small(16, 0, -3, 12345), "12.345"),
        # The largest numbers of 7 and 16 digits need the other encoding.
        (large(4, 0, 90, 9_999_999), "9.999999E+96"),
        (large(8, 0, 0, 9_999_999_999_999_999), "9999999999999999"),
        (b"\x78" + bytes(3), "Infinity"),
        (b"\xf8" + bytes(15), "-Infinity"),
        (b"\x7c" + bytes(7), "NaN"),
        (b"\xfe" + bytes(15), "NaN"),
        # A significand of more than 34 digits stands for zero.
        (b"\x60" + b"\xff" * 15, "0E-5665"),
    ],
)
def test_known_values(raw: bytes, words: str) -> None:
    assert str(to_decimal(raw)) == words


@given(raw=st.sampled_from([4, 8, 16]).flatmap(lambda width: st.binary(min_size=width, max_size=width)))
def test_any_bytes_are_a_decimal(raw: bytes) -> None:
    assert str(to_decimal(raw))
