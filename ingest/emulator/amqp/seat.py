"""Where one link of the hub is."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from ingest.amqp import link as amqp
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import Peer


class SeatOwner(Peer, Protocol):
    """The connection, as the place of a link sees it."""

    @property
    def writable(self) -> bool: ...

    @property
    def links(self) -> Mapping[amqp.Link, Link]: ...

    def forget(self, wire: amqp.Link) -> None: ...


class Seat:
    """Implements `ports.LinkOwner`."""

    def __init__(self, owner: SeatOwner, wire: amqp.Link) -> None:
        self._owner = owner
        self.wire = wire

    @property
    def peer(self) -> Peer:
        return self._owner

    @property
    def writable(self) -> bool:
        return self._owner.writable

    def siblings(self) -> Iterable[object]:
        return [link for wire, link in self._owner.links.items() if wire.session is self.wire.session]

    def forget(self) -> None:
        self._owner.forget(self.wire)
