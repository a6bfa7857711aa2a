"""Times of events in records: RFC 3339 in UTC, computed once per second. Pure."""

from datetime import UTC, datetime

from ingest.source.events.event import Event
from ingest.source.events.values import plain_time
from ingest.source.formats.parts import dumps

_DAY_10000_MS = 253_402_300_800_000


def rfc3339(milliseconds: int) -> str:
    """Returns Unix milliseconds, up to the year 9999, as RFC 3339 in UTC with three digits: `2026-11-22T16:39:00.123Z`."""
    seconds, millis = divmod(milliseconds, 1000)
    return (second(seconds) + MILLIS[millis]).decode()


def unix_ms(text: str) -> int:
    """Returns the Unix milliseconds of a time as `rfc3339` writes it. Raises ValueError if it is not such a time."""
    whole, _, millis = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int(millis)


MILLIS = tuple(b"%03dZ" % millis for millis in range(1000))
"""The end of a time. Under load most events have a millisecond of their own, and thousands share a second."""


NEVER_MS = -(1 << 64)
"""Earlier than any time that AMQP can carry."""


def second(seconds: int) -> bytes:
    """Returns a time up to its second: `2026-11-22T16:39:00.`"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()


def is_date(milliseconds: int) -> bool:
    return 0 <= milliseconds < _DAY_10000_MS


def undated(event: Event) -> bytes:
    return dumps(plain_time(event.enqueued_ms))
