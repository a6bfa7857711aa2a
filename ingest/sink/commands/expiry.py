"""When a command is too old to be worth sending. Pure."""

from datetime import UTC, datetime, timedelta

from ingest.errors import Undeliverable
from ingest.sink.commands.quoting import clip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_expiry(value: object) -> int:
    """A string with a date, time and zone in RFC 3339 or ISO 8601 (`2026-11-22T16:39:00Z`), as Unix milliseconds.

    What is finer than a millisecond is cut off. Raises Undeliverable (invalid_expiry) for everything else: a number
    could mean seconds or milliseconds, and a time without zone could mean any of 40.
    """
    if not isinstance(value, str):
        raise _invalid(value, "write a string with date, time and zone")
    try:
        # RFC 3339 allows t and z, too; Python does not know z.
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
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


def _invalid(value: object, fix: str) -> Undeliverable:
    return Undeliverable("invalid_expiry", f"The expiry {clip(value)} is no time: {fix}, such as 2026-11-22T16:39:00Z.")
