"""Writes the values of an event as Java 17 does: the old connector wrote them so, and its consumers expect it. Pure."""

import base64
import re
from typing import Any

import orjson

from ingest.amqp.types import Float
from ingest.errors import Undeliverable
from ingest.source.events.values import MARK, json_of
from ingest.source.formats.java_numbers import number_text

_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]?")
_ESCAPED_BYTE = re.compile(rb"%([0-9A-F]{2})")
_DAY_MS = 86_400_000
_GREGORIAN_SINCE = -141_427
"""The day 1582-10-15, counted from 1970: `java.util.Date` writes earlier days in the Julian calendar, `Instant` does not."""
_WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970 began on a Thursday
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def utf8_text(body: bytes) -> str:
    """Returns the bytes as text, as `new String(bytes, UTF_8)` does: U+FFFD for each part that is not UTF-8.

    Half a surrogate pair is one such part in Java, but up to three in Python.
    """
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _SURROGATE.sub(b"\xff", body).decode("utf-8", "replace")


def name_text(name: str) -> str:
    """Returns, as text, the key from which `ingest.source.events.values.name_of` or `again` made this name."""
    if "%" not in name:
        return name
    if not name.startswith("%:"):
        return utf8_text(_ESCAPED_BYTE.sub(_byte, name.encode()))
    try:
        key = orjson.loads(name[2:])
    except orjson.JSONDecodeError:  # not one of our names
        return name
    match key:
        case {"$again": [str(first), int()]}:
            return name_text(first)
        case _:
            return value_text(key)


def _byte(found: "re.Match[bytes]") -> bytes:
    return bytes((int(found[1], 16),))


def value_text(value: Any) -> str:
    """Returns the `toString()` of a value from `ingest.source.events.values.plain`.

    Values without a meaningful text in Java (decimals, described values) are written as in docs/records.md. Raises
    Undeliverable if it is not such a value.
    """
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return number_text(value, single=type(value) is Float)
        case list():
            return "[" + ", ".join(map(value_text, value)) + "]"
        case dict():
            if len(value) == 1:
                ((kind, held),) = value.items()
                if kind.startswith(MARK):
                    return _marked_text(kind, held)
            return _map_text(value.items())
    raise Undeliverable("not_json", f"a property value cannot be written as text (it is a {type(value).__name__})")


def _marked_text(kind: str, value: Any) -> str:
    match kind.removeprefix(MARK):
        case "binary":
            return "".join(map(_BINARY.__getitem__, base64.b64decode(value)))
        case "string":
            return utf8_text(base64.b64decode(value))
        case "timestamp":
            return date_text(value)
        case "map":
            return _map_text(value)
        case "described":
            return str(json_of({kind: value}), "utf-8")
        case _:  # digits, or characters, as they are
            return str(value)


def _map_text(pairs: Any) -> str:
    return "{" + ", ".join(f"{value_text(key)}={value_text(item)}" for key, item in pairs) + "}"


_BINARY = tuple(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in range(256))
"""Each byte as Proton's `Binary` writes it."""


def date_text(milliseconds: int) -> str:
    """Returns `java.util.Date.toString()` in UTC: `Fri Nov 30 16:00:00 UTC 2018`. A year before our era has no
    sign."""
    days, of_day = divmod(milliseconds, _DAY_MS)
    year, month, day = _gregorian(days) if days >= _GREGORIAN_SINCE else _julian(days)
    shown = year if year > 0 else 1 - year
    return f"{_WEEKDAYS[days % 7]} {_MONTHS[month - 1]} {day:02} {_clock(of_day // 1000)} UTC {shown}"


def instant_second(seconds: int) -> str:
    """Returns `java.time.Instant.toString()` of a whole second, without its last letter Z: `2018-11-30T16:00:00`."""
    days, of_day = divmod(seconds, 86_400)
    year, month, day = _gregorian(days)
    sign = "+" if year > 9999 else "-" if year < 0 else ""
    return f"{sign}{abs(year):04}-{month:02}-{day:02}T{_clock(of_day)}"


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"


def _gregorian(days: int) -> tuple[int, int, int]:
    """Returns year, month and day of a day counted from 1970-01-01; the year before 1 is 0."""
    era, of_era = divmod(days + 719_468, 146_097)  # from 0000-03-01, so that a leap day is the last of its year
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    return _of_march_year(400 * era + year, of_era - (365 * year + year // 4 - year // 100))


def _julian(days: int) -> tuple[int, int, int]:
    """As `_gregorian`, in the Julian calendar."""
    era, of_era = divmod(days + 719_470, 1_461)
    year = min(of_era // 365, 3)
    return _of_march_year(4 * era + year, of_era - 365 * year)


def _of_march_year(year: int, of_year: int) -> tuple[int, int, int]:
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    return (year, month + 3, day) if month < 10 else (year + 1, month - 9, day)
