"""One event's record, whatever is wrong with the event."""

from collections.abc import Callable

from ingest.errors import Undeliverable
from ingest.source.events.received import Received
from ingest.source.formats.contract import Record


def record_of(encode: Callable[[Received], Record], event: Received) -> Record:
    """Returns the record. Raises Undeliverable if there can be none."""
    try:
        return encode(event)
    except (Undeliverable, MemoryError):
        raise
    except Exception as error:
        raise Undeliverable("not_encodable", f"no record can be made of it: {type(error).__name__}: {error}") from error
