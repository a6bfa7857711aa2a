"""An event between the hub and Kafka: what the way of most events asks of it."""

from collections.abc import Iterable
from operator import attrgetter
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


_SIZE = attrgetter("size")


def content_bytes(events: Iterable[Received]) -> int:
    """Of all their contents together."""
    return sum(map(_SIZE, events))  # half the time of a generator
