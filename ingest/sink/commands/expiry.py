"""When a command is too old to be worth sending. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ingest.errors import Undeliverable
from ingest.sink.commands.quoting import clip

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.date().toordinal()
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = re.compile(
    r"(?P<year>[0-9]{4}|\+[0-9]{5,9}|-[0-9]{4,9})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})"
)
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
"""The Gregorian calendar repeats itself after this."""
_MOST: Final = 2**63 - 1
"""AMQP's timestamp has 64 bits."""


class Moment(int):
    """Unix milliseconds of an expiry that is already parsed."""


def parse_expiry(value: object) -> int:
    """Parses a string with a date, time and zone in RFC 3339 or ISO 8601 (`2026-11-22T16:39:00Z`) to Unix milliseconds.

    Digits beyond milliseconds are cut off, and white space around the string is ignored. 24:00:00 is the end of the
    day, and a year of more than four digits has a sign, as in ISO 8601 and Java's Instant. Raises Undeliverable
    (invalid_expiry) for everything else: a number could mean seconds or milliseconds, and a time without zone could
    mean any of 40.
    """
    if isinstance(value, Moment):
        return int(value)
    if not isinstance(value, str):
        raise _invalid(value, "write a string with date, time and zone")
    # RFC 3339 allows t and z, too; Python does not know z.
    text = value.strip().upper()
    try:
        instant = _INSTANT.fullmatch(text)
        if instant is not None:
            return _of_instant(instant)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _invalid(value, "write date, time and zone") from None
    if moment.tzinfo is None:
        raise _invalid(value, "the zone is missing, write Z after it for UTC")
    return (moment - _EPOCH) // _MILLISECOND


def check_expiry(expiry_ms: int | None, now_ms: int) -> None:
    """Raises Undeliverable (expired) once the moment has come; both in Unix milliseconds. None never expires."""
    if expiry_ms is not None and expiry_ms <= now_ms:
        raise Undeliverable(
            "expired",
            f"The command expired {(now_ms - expiry_ms) / 1000:.3f} s before it could be sent: "
            "give it a later expiryTime, or none.",
        )


def milliseconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Returns Unix milliseconds of a moment in UTC; any year, a month from 1 to 12, and other parts even out of range.

    Raises OverflowError if AMQP cannot carry it.
    """
    cycles, within = divmod(year, _CYCLE_YEARS)
    # Python's dates begin with year 1.
    days = date(within + _CYCLE_YEARS, month, 1).toordinal() + (cycles - 1) * _CYCLE_DAYS - _EPOCH_DAY + day - 1
    found = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000
    if not -_MOST <= found <= _MOST:
        raise OverflowError("too far away")
    return found


def _of_instant(match: re.Match[str]) -> int:
    """Raises ValueError if the moment is not in the calendar."""
    year, month, day, hour, minute, second = (
        int(match[part]) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    fraction = (match["fraction"] or "").ljust(9, "0")
    if hour == 24 and (minute, second, int(fraction)) != (0, 0, 0):
        raise ValueError("beyond the day's end")
    # A leap second counts as the second before it, as it does for Java.
    leap = (hour, minute, second) == (23, 59, 60)
    if hour > 24 or minute > 59 or (second > 59 and not leap):
        raise ValueError("no such time of day")
    date(year % _CYCLE_YEARS + _CYCLE_YEARS, month, day)
    zone = match["zone"]
    offset = 0
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            raise ValueError("no such zone")
        offset = (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
    return milliseconds(year, month, day, hour, minute - offset, second - leap) + int(fraction[:3])


def _invalid(value: object, fix: str) -> Undeliverable:
    return Undeliverable("invalid_expiry", f"The expiry {clip(value)} is no time: {fix}, such as 2026-11-22T16:39:00Z.")
