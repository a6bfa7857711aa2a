"""One session of a connection: links by handle, windows (AMQP 1.0 part 2.5)."""

from collections.abc import Iterable
from typing import Protocol

from ingest.amqp.composites import Composite
from ingest.amqp.frames import encode_frame
from ingest.amqp.performatives import RECEIVER, Attach, Begin, Detach, Disposition, End, Flow, Transfer
from ingest.amqp.serial import advanced, room
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner, Peer
from ingest.emulator.conditions import Condition, LinkRefused, error_of

_WINDOW = 5000
_HANDLE_MAX = 255
_FIRST_ID = 1


class SessionOwner(Peer, Protocol):
    """The connection of a session, as the session sees it."""

    @property
    def max_frame_size(self) -> int: ...

    @property
    def writable(self) -> bool:
        """Whether bulk data can be written now; control frames always can."""
        ...

    def write(self, data: bytes) -> None: ...

    def new_link(self, session: LinkOwner, attach: Attach) -> Link:
        """The link that an attach asks for, not yet accepted. Raises LinkRefused."""
        ...

    def forget(self, channel: int) -> None:
        """The session has ended."""
        ...


class Session:
    """The server's end of a session. Uses the peer's channel number and handle numbers for its own direction too."""

    def __init__(self, owner: SessionOwner, channel: int, begin: Begin) -> None:
        self._owner = owner
        self.channel = channel
        self.links: dict[int, Link] = {}
        self.next_delivery_id = 0
        self._known_handles: set[int] = set()
        self._next_outgoing_id = _FIRST_ID
        self._next_incoming_id = begin.next_outgoing_id
        self._incoming_window = _WINDOW
        self.window = begin.incoming_window
        """Transfer frames that the peer takes before its next flow."""
        self.write(
            Begin(
                remote_channel=channel,
                next_outgoing_id=_FIRST_ID,
                incoming_window=_WINDOW,
                outgoing_window=_WINDOW,
                handle_max=_HANDLE_MAX,
            )
        )

    def write(self, performative: Composite) -> None:
        self._owner.write(encode_frame(self.channel, performative))

    def write_flow(
        self, *, handle: int | None = None, delivery_count: int | None = None, link_credit: int | None = None
    ) -> None:
        self.write(
            Flow(
                next_incoming_id=self._next_incoming_id,
                incoming_window=self._incoming_window,
                next_outgoing_id=self._next_outgoing_id,
                outgoing_window=_WINDOW,
                handle=handle,
                delivery_count=delivery_count,
                link_credit=link_credit,
                available=0 if handle is not None else None,
                drain=False,
                echo=False,
            )
        )

    def write_transfers(self, frames: bytes, count: int) -> None:
        """Write `count` whole transfer frames, and book them."""
        self._next_outgoing_id = advanced(self._next_outgoing_id, count)
        self.window -= count
        self._owner.write(frames)

    @property
    def peer(self) -> Peer:
        return self._owner

    def siblings(self) -> Iterable[Link]:
        return self.links.values()

    @property
    def max_frame_size(self) -> int:
        return self._owner.max_frame_size

    @property
    def writable(self) -> bool:
        return self._owner.writable

    def handle(self, performative: Composite, payload: bytes) -> None:
        match performative:
            case Transfer():
                self._on_transfer(performative, payload)
            case Flow():
                self._on_flow(performative)
            case Attach():
                self._on_attach(performative)
            case Detach():
                self._on_detach(performative)
            case End():
                self.close()
                self.write(End())
                self._owner.forget(self.channel)
            case Disposition():
                if performative.role is RECEIVER:
                    for link in list(self.links.values()):
                        link.on_disposition(performative)
            case _:
                self._owner.close(_framing(f"A session has no use for {type(performative).__name__.lower()}."))

    def _on_attach(self, attach: Attach) -> None:
        if attach.handle in self.links or attach.handle > _HANDLE_MAX:
            self._owner.close(_framing(f"Handle {attach.handle} is in use or above {_HANDLE_MAX}."))
            return
        self._known_handles.add(attach.handle)
        try:
            link = self._owner.new_link(self, attach)
        except LinkRefused as refused:
            self.write(Attach(name=attach.name, handle=attach.handle, role=not attach.role))
            self.write(Detach(handle=attach.handle, closed=True, error=error_of(refused.condition, refused.info)))
            return
        self.links[attach.handle] = link
        link.accept()

    def _on_detach(self, detach: Detach) -> None:
        link = self.links.get(detach.handle)
        if link is None:
            return  # the answer to a detach of ours
        self.write(Detach(handle=detach.handle, closed=detach.closed))
        self.forget(link.handle)

    def _on_flow(self, flow: Flow) -> None:
        start = _FIRST_ID if flow.next_incoming_id is None else flow.next_incoming_id
        self.window = room(flow.incoming_window, start, self._next_outgoing_id)
        link = self.links.get(flow.handle) if flow.handle is not None else None
        if link is not None:
            link.on_flow(flow)
            if flow.echo and link.attached:
                link.send_flow()
        elif flow.echo and flow.handle is None:
            self.write_flow()
        for each in list(self.links.values()):
            each.on_window()

    def _on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        self._next_incoming_id = advanced(self._next_incoming_id, 1)
        self._incoming_window -= 1
        if self._incoming_window < _WINDOW // 2:
            self._incoming_window = _WINDOW
            self.write_flow()
        link = self.links.get(transfer.handle)
        if link is not None and not link.sends:
            link.on_transfer(transfer, payload)
        elif link is not None or transfer.handle not in self._known_handles:
            text = f"Handle {transfer.handle} is not currently associated with a link that receives."
            self.write(End(error=error_of(Condition("amqp:session:unattached-handle", text))))
            self.close()
            self._owner.forget(self.channel)

    def forget(self, handle: int) -> None:
        """The link has ended."""
        link = self.links.pop(handle, None)
        if link is not None:
            link.attached = False
            link.on_closed()

    def close(self) -> None:
        """End all links without a word."""
        for handle in list(self.links):
            self.forget(handle)


def _framing(text: str) -> Condition:
    return Condition("amqp:connection:framing-error", text)
