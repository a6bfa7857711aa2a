"""Values of properties as Kafka's ConfigDef reads them in Java: trimmed texts, whole numbers, lists, booleans. Pure."""

import re
import unicodedata
from typing import Final

from ingest.config.values import BadValue

INT_MIN: Final = -(1 << 31)
INT_MAX: Final = (1 << 31) - 1
_BLANK: Final = "".join(map(chr, range(0x21)))
"""What String.trim() removes: everything up to the space."""
_COMMA_AND_WHITE: Final = re.compile(r"[ \t\n\x0b\f\r]*,[ \t\n\x0b\f\r]*")


def trimmed(text: str) -> str:
    """Like String.trim()."""
    return text.strip(_BLANK)


def whole(text: str) -> int:
    """Like Integer.parseInt after trim(): an optional sign, and decimal digits of any script. Raises BadValue."""
    digits = trimmed(text)
    sign = -1 if digits.startswith("-") else 1
    digits = digits[1:] if digits[:1] in ("+", "-") and len(digits) > 1 else digits
    number = 0
    if not digits:
        raise BadValue("expects a whole number")
    for digit in digits:
        value = unicodedata.decimal(digit, None)
        # Java reads single 16-bit units, and so no digit beyond them.
        if value is None or ord(digit) > 0xFFFF:
            raise BadValue("expects a whole number, with digits alone")
        number = number * 10 + value
    if not INT_MIN <= sign * number <= INT_MAX:
        raise BadValue(f"expects a whole number from {INT_MIN} to {INT_MAX}")
    return sign * number


def items(text: str) -> list[str]:
    """Like ConfigDef's type LIST: parts between commas, without the white space around them; none for a blank text."""
    inner = trimmed(text)
    return _COMMA_AND_WHITE.split(inner) if inner else []


def boolean(text: str) -> bool:
    """Like ConfigDef's type BOOLEAN. Raises BadValue."""
    word = trimmed(text).lower()
    if word not in ("true", "false"):
        raise BadValue("expects true or false")
    return word == "true"


def split_as_java(text: str) -> list[str]:
    """Like `text.split(",")` in Java: empty parts at the end are dropped; an empty text gives one empty part."""
    parts = text.split(",")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return [] if parts == [""] and text else parts
