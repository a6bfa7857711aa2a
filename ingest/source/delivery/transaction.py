"""What the present transaction contains, as numbers. If it is aborted, the hub sends its events again, so none is kept. Pure."""

from array import array
from collections.abc import Sequence
from operator import attrgetter

from confluent_kafka import KafkaError

from ingest.hub.position import Position
from ingest.source.events.received import Received

MOST_EVENTS = 50_000
MOST_BYTES = 32 << 20
"""A transaction with so many events, or so many bytes of their records, is committed at once."""

_ENQUEUED_MS = attrgetter("enqueued_ms")


class Transaction:
    """Events are added in order."""

    def __init__(self) -> None:
        self.began_at: float | None = None
        """None: it has not begun."""
        self.commit_at = 0.0
        """When its commit was asked for."""
        self.in_order = False
        """Whether it is one of `Attempts`, which keep its events."""
        self.abandoned = False
        """Whether it is not tried again."""
        self.drop()

    def drop(self) -> None:
        """Forgets what it contains, as it is to be aborted."""
        self.bytes = 0
        """Of the records."""
        self.last: Position | None = None
        """That of the last event; None without any."""
        self.refusal: KafkaError | None = None
        """Why Kafka refused one of its records, before it was asked to commit."""
        self._enqueued_ms = array("q")

    def __len__(self) -> int:
        """Returns the number of events."""
        return len(self._enqueued_ms)

    @property
    def begun(self) -> bool:
        return self.began_at is not None

    @property
    def full(self) -> bool:
        """Whether there are so many events that they are to be committed now."""
        return len(self) >= MOST_EVENTS or self.bytes >= MOST_BYTES

    @property
    def enqueued_ms(self) -> list[int]:
        """When the hub took the events, Unix time in milliseconds; sorted."""
        return sorted(self._enqueued_ms)

    def add(self, events: Sequence[Received], last: Position) -> None:
        self._enqueued_ms.extend(map(_ENQUEUED_MS, events))
        self.last = last
