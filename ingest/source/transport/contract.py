"""The contract of a transport: one link to one partition at a time."""

from collections.abc import Sequence
from typing import Protocol

from ingest.hub.position import StartAt
from ingest.source.events.received import Received


class Transport(Protocol):
    """One link to one partition at a time. All methods are called by one thread."""

    name: str
    """Its name in `source.transport`."""
    gathers: bool
    """Whether `gather` ends early for what has come. If not, much that comes is better read at once."""

    @property
    def credit(self) -> int:
        """Events that the hub may send ahead of us."""
        ...

    @property
    def attached(self) -> bool:
        """Whether the hub has taken the open link, and our position with it; also when the link has ended since."""
        ...

    @property
    def newest(self) -> int | None:
        """Sequence number of the newest event in the hub, according to the last delivery."""
        ...

    @property
    def more(self) -> bool:
        """Whether the last `poll` left something that the hub has sent; False if unknown."""
        ...

    def open(self, start: StartAt) -> None:
        """Begins to connect and returns at once. The link before it must be closed."""
        ...

    def poll(self, timeout: float) -> Sequence[Received]:
        """Returns the next events in order; empty if none came in `timeout` seconds. Raises LinkEnded."""
        ...

    def gather(self, seconds: float) -> None:
        """Waits for more events before the next `poll`, `seconds` at most; not at all where no link is up."""
        ...

    def tend(self) -> None:
        """Keeps the link alive, instead of `poll`, while no events are wanted. Never blocks, never raises."""
        ...

    def close(self) -> None:
        """Ends the link and drops what it had buffered; bounded in time."""
        ...
