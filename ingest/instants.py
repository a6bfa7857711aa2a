"""Times as `java.time.Instant.parse` reads them, and the calendar behind them, for any year. Pure.

The rules are those of DateTimeFormatter.ISO_INSTANT since Java 12: letters in either case, a fraction of up to nine digits,
an offset instead of Z, 24:00 as the end of a day, a leap second as the second before it, years beyond 9999 with a sign.
"""

import re
from datetime import date
from typing import Final

_INSTANT: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<year>\d{4,10})-(?P<month>\d\d)-(?P<day>\d\d)[Tt]"
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?"
    r"(?:[Zz]|(?P<east>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)(?::(?P<seconds>\d\d))?)",
    re.ASCII,
)
_LARGEST_YEAR: Final = 1_000_000_000
_DAYS_IN_400_YEARS: Final = 146_097
_DAY_SECONDS: Final = 86_400
_FURTHEST_OFFSET_SECONDS: Final = 18 * 3600
_LEAST_SECOND: Final = -31_557_014_167_219_200
_LAST_SECOND: Final = 31_556_889_864_403_199
"""Instant.MIN and Instant.MAX."""


def nanoseconds(text: str) -> int | None:
    """Returns nanoseconds since 1970-01-01T00:00:00Z; None if Java cannot read the time."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    sign, year = match["sign"], int(match["year"])
    # More than four digits need a sign, four digits have no plus, and year -0 does not exist.
    if (len(match["year"]) > 4) != (sign == "+") and sign != "-":
        return None
    if sign == "-" and year == 0:
        return None
    year = -year if sign == "-" else year
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    nanos = int((match["fraction"] or "").ljust(9, "0"))
    days = day_number(year, int(match["month"]), int(match["day"]))
    if days is None:
        return None
    if (hour, minute, second, nanos) == (24, 0, 0, 0):
        hour, days = 0, days + 1
    elif (hour, minute, second) == (23, 59, 60):
        second = 59
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = _offset_seconds(match)
    if offset is None:
        return None
    seconds = days * _DAY_SECONDS + hour * 3600 + minute * 60 + second - offset
    return seconds * 1_000_000_000 + nanos if _LEAST_SECOND <= seconds <= _LAST_SECOND else None


def day_number(year: int, month: int, day: int) -> int | None:
    """Returns days since 1970-01-01 in the proleptic Gregorian calendar; None if the day does not exist."""
    if abs(year) > _LARGEST_YEAR:
        return None
    cycles, year_of_cycle = divmod(year, 400)
    try:
        # Python's own calendar begins with the year 1; the same days come again every 400 years.
        days = date(year_of_cycle + 400, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    return days + (cycles - 1) * _DAYS_IN_400_YEARS


def _offset_seconds(match: re.Match[str]) -> int | None:
    if match["east"] is None:
        return 0
    hours, minutes, seconds = int(match["hours"]), int(match["minutes"]), int(match["seconds"] or 0)
    offset = hours * 3600 + minutes * 60 + seconds
    if hours > 23 or minutes > 59 or seconds > 59 or offset > _FURTHEST_OFFSET_SECONDS:
        return None
    return offset if match["east"] == "+" else -offset
