"""What the parts of the AMQP server need of each other, so that none of them must know the part above it."""

from collections.abc import Iterable
from typing import Protocol

from ingest.amqp import link as amqp
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
    """Where a link of the hub is: its connection, and its end of the link as AMQP has it."""

    @property
    def peer(self) -> Peer: ...

    @property
    def wire(self) -> amqp.Link:
        """The state of the link, in which the hub's decisions are carried out."""
        ...

    @property
    def writable(self) -> bool:
        """Whether messages can be written now; other frames always can."""
        ...

    def siblings(self) -> Iterable[object]:
        """All links of the hub in the same session."""
        ...

    def forget(self) -> None:
        """The link has ended."""
        ...
