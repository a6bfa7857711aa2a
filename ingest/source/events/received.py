"""An event between the hub and Kafka: what the way of most events asks of it."""

from typing import Protocol

from ingest.hub.position import Position
from ingest.source.events.event import Event


class Received(Protocol):
    """`Event`, or one of the compiled core that has decoded no more than this."""

    @property
    def sequence_number(self) -> int: ...

    @property
    def offset(self) -> str: ...

    @property
    def enqueued_ms(self) -> int: ...

    @property
    def size(self) -> int:
        """Bytes of its content, `Event.body`."""
        ...

    @property
    def position(self) -> Position: ...

    def whole(self) -> Event:
        """All of it. May cost as much as ten records."""
        ...
