"""An event between the hub and Kafka: the part of it that the usual way needs."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Protocol

from ingest.hub.position import Position
from ingest.source.events.event import Event


class Received(Protocol):
    """`Event`, or an event of the compiled core, which has decoded no more than this."""

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
        """Returns the whole event. Can cost as much as ten records."""
        ...


_SIZE = attrgetter("size")


def content_bytes(events: Iterable[Received]) -> int:
    """Returns the size of all their contents together."""
    return sum(map(_SIZE, events))  # half the time of a generator
