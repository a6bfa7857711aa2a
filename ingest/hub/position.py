"""A place in the log of one Event Hub partition, and where a reader begins. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one partition's log."""

    offset: str | None
    """Opaque to us: numeric on IoT Hub's built-in endpoint, not on geo-replicated namespaces. None where another
    processor left the sequence number alone."""
    sequence_number: int


def offset_number(offset: str | None) -> int:
    """An offset as a number, -1 when it is none: those of geo-replicated namespaces cannot be compared."""
    return int(offset) if offset is not None and offset.isascii() and offset.isdecimal() and len(offset) < 20 else -1


BEFORE_FIRST = Position("-1", -1)
"""Where reading begins when everything that the hub holds is wanted, whatever its numbering."""


EARLIEST = "-1"


LATEST = "@latest"


@dataclass(frozen=True, slots=True)
class StartAt:
    """Where a link begins: after an offset (text, `-1`, `@latest`) or sequence number (int), or at a time."""

    position: str | int | datetime

    @property
    def inclusive(self) -> bool:
        """Whether an event exactly at the position is wanted: at a time it is, after an offset it is not."""
        return isinstance(self.position, datetime)

    def __str__(self) -> str:
        match self.position:
            case "-1":
                return "the oldest event"
            case "@latest":
                return "the next new event"
            case str():
                return f"the event after offset {self.position}"
            case int():
                return f"the event after sequence number {self.position}"
            case _:
                return f"the first event since {self.position.isoformat()}"
