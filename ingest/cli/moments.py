"""Reads moments on the command line, for argparse's `type`."""

import argparse
from datetime import UTC, datetime, timedelta


def moment(text: str) -> datetime:
    """Returns an RFC 3339 time with its zone."""
    try:
        found = datetime.fromisoformat(text)
        known = found.tzinfo is not None and found.astimezone(UTC) is not None
    except (ValueError, OverflowError):  # the latter of the year 0 or 10000 in UTC
        known = False
    if not known:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an RFC 3339 time with its zone, such as 2026-11-27T09:00:00Z"
        )
    return found


def milliseconds(text: str) -> int:
    """Returns such a time in Unix milliseconds."""
    return round(moment(text).timestamp() * 1000)


def yesterday(now: datetime) -> tuple[int, int]:
    """Returns the begin and the end of the day before, in the zone of `now`, as Unix milliseconds."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=1)).timestamp() * 1000), int(today.timestamp() * 1000)
