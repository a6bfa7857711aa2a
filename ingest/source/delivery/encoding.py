"""Events' records, whatever is wrong with an event."""

from collections.abc import Callable, Sequence

from ingest.errors import Undeliverable
from ingest.kafka.records import Records
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


def records_of(encode_all: Callable[[Sequence[Received]], Records], events: Sequence[Received]) -> Records | None:
    """Returns the records of nearly all events; None if one of them cannot be a record: `record_of` says which one, and why."""
    try:
        return encode_all(events)
    except MemoryError:
        raise
    except Exception:
        return None
