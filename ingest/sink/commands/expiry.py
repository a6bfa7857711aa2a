"""When a command is too old to be worth sending. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.errors import Undeliverable
from ingest.instants import nanoseconds
from ingest.sink.commands.quoting import clip

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
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
        instant = nanoseconds(text)
        if instant is not None:
            return carried(instant // 1_000_000)
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


def carried(milliseconds: int) -> int:
    """Returns Unix milliseconds. Raises OverflowError if AMQP cannot carry them."""
    if not -_MOST <= milliseconds <= _MOST:
        raise OverflowError("too far away")
    return milliseconds


def _invalid(value: object, fix: str) -> Undeliverable:
    return Undeliverable("invalid_expiry", f"The expiry {clip(value)} is no time: {fix}, such as 2026-11-22T16:39:00Z.")
