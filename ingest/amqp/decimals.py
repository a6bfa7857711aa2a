"""decimal32, decimal64 and decimal128 as Python decimals (AMQP 1.0 part 1.6.14 to 1.6.16)."""

from decimal import Decimal

_LAYOUTS = {4: (8, 101), 8: (10, 398), 16: (14, 6176)}
"""Bytes → (bits of the exponent, its bias), IEEE 754-2008 with the significand as a binary integer."""


def to_decimal(raw: bytes) -> Decimal:
    """Returns the value of 4, 8 or 16 bytes, which can be NaN or an infinity."""
    exponent_bits, bias = _LAYOUTS[len(raw)]
    bits, width = int.from_bytes(raw, "big"), 8 * len(raw)
    sign = bits >> (width - 1)
    fraction_bits = width - 1 - exponent_bits
    leading = bits >> (width - 5) & 0xF
    if leading == 0xF:
        return Decimal("NaN") if bits >> (width - 6) & 1 else Decimal("-Infinity" if sign else "Infinity")
    if leading >= 0xC:
        # The exponent begins two bits later and the significand has 0b100 in front of it.
        exponent = bits >> (fraction_bits - 2) & ((1 << exponent_bits) - 1)
        digits = (0b100 << (fraction_bits - 2)) | bits & ((1 << (fraction_bits - 2)) - 1)
        if len(raw) == 16:
            digits = 0  # always more than 34 digits, which is not a canonical value
    else:
        exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1)
        digits = bits & ((1 << fraction_bits) - 1)
    return Decimal((sign, tuple(map(int, str(digits))), exponent - bias))
