"""What a record format is: how an event becomes the record that Kafka gets."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ingest.source.events.event import Event

Headers = list[tuple[str, str | bytes | None]]


new_record: Callable[..., "Record"] = tuple.__new__  # half the time of a NamedTuple's own constructor


class Record(NamedTuple):
    key: bytes | None
    """The device id, so that Kafka keeps each device's order; of an event that no device sent the partition key, if any."""
    value: bytes
    headers: Headers | None
    timestamp_ms: int
    """The hub's enqueued time; 0, which stands for now, if that is no date."""


class Format(Protocol):
    """How events become records. Stateless apart from caches; one instance per partition process."""

    def encode(self, event: Event) -> Record:
        """Raises Undeliverable when this format cannot carry the event."""
        ...
