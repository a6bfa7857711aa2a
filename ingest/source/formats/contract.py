"""What a record format is: how an event becomes the record that Kafka gets. `tests/source/formats/contract.py` checks it."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

from ingest.source.events.event import Event

Headers = list[tuple[str, str | bytes | None]]


new_record: Callable[..., "Record"] = tuple.__new__  # half the time of a NamedTuple's own constructor


class Record(NamedTuple):
    key: bytes | None
    """`event.origin.key`: the device id, by which Kafka keeps each device's order; of an event that no device sent the
    partition key, if any. A format can write the key in its own way, but always the same key in the same way."""
    value: bytes
    headers: Headers | None
    timestamp_ms: int
    """The hub's enqueued time; 0, which stands for now, if that is no date."""


class Format(Protocol):
    """How events become records. Pure: a record follows from its event alone, whichever events came before.

    A format can keep what it makes of an event's `Origin` and `Labels` in their attribute `encoded`, as a tuple that starts with
    the format's class. It must not use a tuple that starts with another: dead letters are of format `raw` in any process.
    """

    unique: ClassVar[bool]
    """Whether different events always make different records: a promise to consumers, which the contract's tests check."""

    def __init__(self, partition: str) -> None:
        """`partition`: the hub's partition that all events are of."""
        ...

    def encode(self, event: Event) -> Record:
        """Returns the record. Raises Undeliverable, and nothing else, if this format cannot carry the event."""
        ...

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        """Returns the most bytes that a record has beyond the body of its event, which has `body_bytes`.

        Key, value and headers count. Four times the bytes of what the event says besides, as JSON, comes on top: a name or
        a device id can stand in two places, and a format can write it at greater length.
        """
        ...


class SchemaFormat(Format, Protocol):
    """A format whose records name their schema by the id that a schema registry has given it."""

    schema: ClassVar[str]
    """In Avro, as JSON."""

    def __init__(self, partition: str, schema_id: int = 0) -> None:
        """`schema_id`: the registry's for `schema`."""
        ...
