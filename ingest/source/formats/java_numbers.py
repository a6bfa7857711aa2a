"""Writes numbers as Java did up to version 18: `Double.toString` and `Float.toString`, digit by digit.

Those did not always find the fewest digits (JDK-4511638, fixed in Java 19): every tenth float with an exponent has one
more than it needs. The code takes the same steps as those versions, overflows included. Pure.
"""

import math
import struct
from typing import Final, NamedTuple

_FRACTION_BITS: Final = 52
"""Of a double, without the hidden bit."""
_LARGEST_WHOLE: Final = 62
"""A whole number below 2^(this + 1) is written as an integer."""
_FIVES: Final = tuple((5**power).bit_length() if power else 0 for power in range(27))


class _Parts(NamedTuple):
    """A number as `fraction` / 2^52 * 2^`exponent`, with the leading bit of the fraction set."""

    fraction: int
    exponent: int
    bits: int
    """Significant bits of the fraction: 53 of a double, 24 of a float, fewer for tiny numbers."""


def number_text(number: float, *, single: bool = False) -> str:
    """Returns `Double.toString`, or `Float.toString` of a `single`, which a float has to hold exactly."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    if not number:
        return sign + "0.0"
    digits, point = _digits(_parts(abs(number), single=single))
    if 0 < point < 8:
        return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    if -3 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _parts(magnitude: float, *, single: bool) -> _Parts:
    fraction, exponent = math.frexp(magnitude)  # 0.5 <= fraction < 1
    smallest, bits = (-126, 24) if single else (-1022, 53)
    missing = max(0, smallest - (exponent - 1))  # below the smallest normal number
    return _Parts(int(math.ldexp(fraction, _FRACTION_BITS + 1)), exponent - 1, bits - missing)


def fits_single(number: float) -> bool:
    """Whether a float of 32 bits holds it exactly."""
    try:
        return bool(struct.unpack(">f", struct.pack(">f", number))[0] == number)
    except OverflowError:
        return False


def _digits(parts: _Parts) -> tuple[str, int]:
    """Returns the digits without trailing zeros, and how many of them are before the point."""
    fraction, exponent, bits = parts
    zeros = (fraction & -fraction).bit_length() - 1
    wide = _FRACTION_BITS + 1 - zeros
    behind = max(0, wide - exponent - 1)
    """Bits after the binary point."""
    if 0 <= exponent <= _LARGEST_WHOLE and behind == 0:
        return _whole_digits(fraction << exponent >> _FRACTION_BITS, exponent - bits - 1)
    found = _developed(fraction >> zeros, exponent, bits, wide, behind)
    digits, point = found.digits, found.point
    if found.high and (not found.low or found.rest > 0 or (found.rest == 0 and digits % 2)):
        digits += 1
    shown = str(digits).zfill(found.written)
    return shown.rstrip("0"), point + len(shown) - found.written


def _whole_digits(number: int, unknown_bits: int) -> tuple[str, int]:
    """`unknown_bits`: how many of the lowest bits are not significant."""
    dropped = int(unknown_bits * math.log10(2)) if unknown_bits > 1 else 0
    number, rest = divmod(number, 10**dropped)
    if dropped and rest >= 10**dropped // 2:
        number += 1
    shown = str(number)
    return shown.rstrip("0"), len(shown) + dropped


class _Developed(NamedTuple):
    digits: int
    written: int
    """Number of digits; the first can be 0."""
    point: int
    """How many of them are before the point."""
    low: bool
    """Whether the digits are close enough."""
    high: bool
    """Whether they are close enough if the last one is increased by one."""
    rest: int
    """Whether the remainder is more (1) or less (-1) than half of the last digit's unit, or exactly half (0)."""


def _developed(fraction: int, exponent: int, bits: int, wide: int, behind: int) -> _Developed:
    """Develops digits until the remainder is less than half of the distance to the next number."""
    scale = _FRACTION_BITS + 1 - wide
    leading = (fraction << scale) / (1 << _FRACTION_BITS)
    power = math.floor((leading - 1.5) * 0.289529654 + 0.176091259 + exponent * 0.301029995663981)
    five_b, five_s = max(0, -power), max(0, power)
    two_b, two_s = five_b + behind + exponent, five_s + behind
    two_m = two_b - bits
    two_b -= wide - 1
    common = min(two_b, two_s)
    two_b, two_s, two_m = two_b - common, two_s - common, two_m - common
    if wide == 1:  # the number below a power of two is only half as far away
        two_m -= 1
    if two_m < 0:
        two_b, two_s, two_m = two_b - two_m, two_s - two_m, 0
    size = max(wide + two_b + _bits_of_five(five_b), two_s + 1 + _bits_of_five(five_s + 1))
    word = 32 if size < 32 else 64 if size < 64 else 0
    """Bits of the integers that Java uses, which overflow; 0 for integers of any size."""
    left, unit, half = fraction * 5**five_b << two_b, 5**five_s << two_s, 5**five_b << two_m
    ten = 10 * unit
    digits, left = divmod(left, unit)
    left, half = 10 * left, _wrapped(10 * half, word)
    low, high = left < half, _is_above(left + half, ten, word)
    count = 1
    if digits == 0 and not high:
        power, count = power - 1, 0
    if power < -3 or power >= 8:  # one digit is not enough there
        low = high = False
    while not low and not high:
        digit, left = divmod(left, unit)
        left, half = 10 * left, _wrapped(10 * half, word)
        low, high = left < half, _is_above(left + half, ten, word)
        if half <= 0:
            low = high = True
        digits, count = 10 * digits + digit, count + 1
    return _Developed(digits, count, power + 1, low, high, (2 * left > ten) - (2 * left < ten))


def _is_above(number: int, ten: int, word: int) -> bool:
    """With integers of any size, equality counts."""
    return _wrapped(number, word) > ten if word else number >= ten


def _wrapped(number: int, word: int) -> int:
    """Returns the number as a signed integer of `word` bits."""
    return ((number + (1 << word - 1)) & ((1 << word) - 1)) - (1 << word - 1) if word else number


def _bits_of_five(power: int) -> int:
    return _FIVES[power] if power < len(_FIVES) else 3 * power
