"""The contract of a record format, which turns an event into a Kafka record. `tests/source/formats/contract.py` checks it."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

from ingest.source.events.event import Event

Headers = list[tuple[str, str | bytes | None]]


new_record: Callable[..., "Record"] = tuple.__new__  # half the time of a NamedTuple's own constructor


class Record(NamedTuple):
    key: bytes | None
    """`event.origin.key`: the device id, so that Kafka keeps each device's order; for an event that no device sent, the
    partition key, if any. A format can write a key in its own way, but always the same key in the same way."""
    value: bytes
    headers: Headers | None
    timestamp_ms: int
    """The hub's enqueued time; 0, which means now, if that is not a date."""


class Format(Protocol):
    """Turns events into records. Pure: a record depends only on its event, not on earlier events.

    A format can keep what it encodes of an event's `Origin` and `Labels` in their attribute `encoded`, as a tuple that starts
    with the format's class. It must not use a tuple that starts with another class: dead letters have format `raw` in any
    process.
    """

    unique: ClassVar[bool]
    """Whether different events always give different records: a promise to consumers, which the contract's tests check."""

    def __init__(self, partition: str) -> None:
        """`partition`: the hub's partition of all events."""
        ...

    def encode(self, event: Event) -> Record:
        """Returns the record. Raises Undeliverable, and nothing else, if this format cannot carry the event."""
        ...

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        """Returns by how many bytes a record can be larger than the body of its event, which has `body_bytes`.

        Key, value and headers count. Up to four times the size of the event's other values as JSON comes on top: a name or
        a device id can occur in two places, and a format can write it at greater length.
        """
        ...


class SchemaFormat(Format, Protocol):
    """A format whose records name their schema by the id that a schema registry has given it."""

    schema: ClassVar[str]
    """In Avro, as JSON."""

    def __init__(self, partition: str, schema_id: int = 0) -> None:
        """`schema_id`: the registry's for `schema`."""
        ...
