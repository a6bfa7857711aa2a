"""The headers of a record, where the client library leaves holes that crash whoever looks into them."""

from operator import methodcaller

from confluent_kafka import Message

from ingest.deadletter import Header
from ingest.errors import Undeliverable

_read = methodcaller("headers")
"""Not `message.headers()`: confluent-kafka 2.16 returns a list with a null pointer for a name that is no UTF-8, and an
exception beside it. Python looks for that in a call through `methodcaller`, but not in a method call that it has seen a few
times (specialized, since 3.11); the process then ends with a segmentation fault."""


def headers_of(message: Message) -> list[Header]:
    """Once for each message. Raises Undeliverable when the name of a header is no UTF-8."""
    try:
        found = _read(message)
    except (SystemError, UnicodeDecodeError):
        raise Undeliverable(
            "unreadable_headers", "the name of one of its headers is not UTF-8, and cannot be read"
        ) from None
    return list(found.items() if isinstance(found, dict) else found or ())
