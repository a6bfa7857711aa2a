"""What the parts of the AMQP server need of each other, so that none of them must know the part above it."""

from collections.abc import Iterable
from typing import Protocol

from ingest.amqp.composites import Composite
from ingest.emulator.amqp.authorization import Authorization
from ingest.emulator.conditions import Condition


class Peer(Protocol):
    """A client's connection, as links, answers and faults see it."""

    @property
    def authorization(self) -> Authorization: ...

    @property
    def host_name(self) -> str:
        """The name by which the client knows this hub."""
        ...

    def close(self, condition: Condition) -> None:
        """Closes with an error."""
        ...

    def abort(self) -> None:
        """Resets the TCP connection."""
        ...


class LinkOwner(Protocol):
    """The session of a link, as the link sees it."""

    next_delivery_id: int

    @property
    def peer(self) -> Peer: ...

    @property
    def channel(self) -> int: ...

    @property
    def window(self) -> int:
        """Transfer frames that the client takes before its next flow."""
        ...

    @property
    def max_frame_size(self) -> int: ...

    @property
    def writable(self) -> bool:
        """Whether transfers can be written now; other frames always can."""
        ...

    def write(self, performative: Composite) -> None: ...

    def write_flow(
        self, *, handle: int | None = None, delivery_count: int | None = None, link_credit: int | None = None
    ) -> None: ...

    def write_transfers(self, frames: bytes, count: int) -> None:
        """Writes `count` whole transfer frames of this session."""
        ...

    def siblings(self) -> Iterable[object]:
        """All links of this session."""
        ...

    def forget(self, handle: int) -> None:
        """The link has ended."""
        ...
