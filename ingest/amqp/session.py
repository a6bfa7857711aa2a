"""One session of a connection: its links, its windows, which link gets which disposition (AMQP 1.0 part 2.5). Sans-IO."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar

from ingest.amqp.composites import Composite
from ingest.amqp.errors import PeerMistake, WrongMove
from ingest.amqp.lifetime import Half, Lifetime, Move
from ingest.amqp.link import Link
from ingest.amqp.performatives import RECEIVER, Attach, Begin, Detach, Disposition, End, Error, Flow, Transfer
from ingest.amqp.receiver import Receiver
from ingest.amqp.sender import Sender
from ingest.amqp.serial import advanced, room, stretch

UNATTACHED_HANDLE: Final = "amqp:session:unattached-handle"
WINDOW_VIOLATION: Final = "amqp:session:window-violation"
RESOURCE_LIMIT: Final = "amqp:resource-limit-exceeded"
MOST_LINKS: Final = 1024
FRAMING: Final = "amqp:connection:framing-error"

_L = TypeVar("_L", bound=Link)


class Begun(NamedTuple):
    """The session is up: the peer has answered our begin, or we have answered the peer's."""

    session: "Session"


class Ended(NamedTuple):
    """The session is over, and this side did not end it. Its links have ended before, each with its event."""

    session: "Session"
    error: Error | None
    """The reason in the peer's own words, if it gave one."""


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """What this side sends in `begin`."""

    window: int = 65_536
    """Transfer frames in each direction before the next flow."""
    handle_max: int = 255
    """The highest handle that the peer can use."""
    first_id: int = 0
    """Transfer id of this side's first frame."""
    spelled_out: bool = False
    """As in `Sender`; also for flows."""


class SessionOwner(Protocol):
    """The connection of a session, as the session sees it."""

    @property
    def max_frame_size(self) -> int:
        """Of the frames that the peer takes, bytes."""
        ...

    def frame(self, channel: int, performative: Composite) -> bytes:
        """Returns the frame. Raises WrongMove if the peer takes no frame of that size."""
        ...

    def write(self, data: bytes) -> None: ...

    def emit(self, event: object) -> None: ...

    def forget(self, session: "Session") -> None:
        """Forgets a session of which no more frames can come."""
        ...


class Session:
    """Made by a connection."""

    def __init__(self, owner: SessionOwner, channel: int, limits: SessionLimits) -> None:
        self.channel = channel
        """This side's number of the session."""
        self.remote_channel: int | None = None
        self.lifetime = Lifetime()
        self.next_delivery_id = 0
        self.window = 0
        """Transfer frames that the peer takes before its next flow."""
        self.next_incoming_id = 0
        self.incoming_window = limits.window
        """Transfer frames that the peer can still send."""
        self._owner = owner
        self._limits = limits
        self._next_outgoing_id = limits.first_id
        self._outgoing_window = limits.window
        self._remote_handle_max = 0xFFFF_FFFF
        self._by_handle: dict[int, Link] = {}
        self._by_remote_handle: dict[int, Link] = {}
        self._names: dict[tuple[str, bool], Link] = {}
        """Our attaches without an answer yet: the peer answers by name and role."""
        self._watched: tuple[dict[int, Link], dict[int, Link]] = ({}, {})
        """Links by delivery id: for deliveries that we receive, and for those that we send."""

    @property
    def links(self) -> list[Link]:
        """All that are not over, in order of creation."""
        return list(self._by_handle.values())

    @property
    def up(self) -> bool:
        return self.lifetime.up

    @property
    def max_frame_size(self) -> int:
        return self._owner.max_frame_size

    # Called by the user.

    def begin(self) -> None:
        limits = self._limits
        frame = self.frame(
            Begin(
                remote_channel=self.remote_channel,
                next_outgoing_id=limits.first_id,
                incoming_window=limits.window,
                outgoing_window=limits.window,
                handle_max=limits.handle_max,
            )
        )
        if not self.lifetime.we(Move.OPEN):
            raise WrongMove(f"Session {self.channel} cannot begin twice.")
        self.write(frame)

    def end(self, error: Error | None = None) -> None:
        """Ends the session from this side. Later frames of the peer in it are dropped."""
        frame = self.frame(End(error=error))
        if not self.lifetime.we(Move.CLOSE):
            raise WrongMove(f"Session {self.channel} has not begun, or is at an end.")
        self.write(frame)
        self._drop_links()
        if self.lifetime.over:
            self._owner.forget(self)

    def attach_sender(self, attach: Attach, *, handle: int | None = None) -> Sender:
        """Asks the peer for a link that sends, with `attach`, whose handle and role are set here. Raises WrongMove."""
        return self._attached(self._sender(self._free_handle(handle), attach.name), attach)

    def attach_receiver(
        self, attach: Attach, *, handle: int | None = None, max_message_bytes: int | None = None
    ) -> Receiver:
        """As `attach_sender`, for a link that receives; a message larger than `max_message_bytes` ends it."""
        limit = {} if max_message_bytes is None else {"max_message_bytes": max_message_bytes}
        return self._attached(Receiver(self, self._free_handle(handle), attach.name, **limit), attach)

    def _sender(self, handle: int, name: str) -> Sender:
        return Sender(self, handle, name, spelled_out=self._limits.spelled_out)

    def _attached(self, link: _L, attach: Attach) -> _L:
        if self.lifetime.ours is not Half.UP:
            raise WrongMove(f"Session {self.channel} is not open: nothing can be attached.")
        if (link.name, link.sends) in self._names:
            raise WrongMove(f"There is a link with the name {link.name:.100} already.")
        link.attach(attach)
        self._by_handle[link.handle] = link
        self._names[link.name, link.sends] = link
        return link

    def _free_handle(self, wanted: int | None) -> int:
        handle = self._lowest_handle() if wanted is None else wanted
        if handle in self._by_handle or handle > self._remote_handle_max:
            raise WrongMove(f"Handle {handle} is in use, or above the peer's limit of {self._remote_handle_max}.")
        return handle

    def _lowest_handle(self) -> int:
        return next(number for number in range(len(self._by_handle) + 1) if number not in self._by_handle)

    def write_flow(
        self,
        *,
        handle: int | None = None,
        delivery_count: int | None = None,
        link_credit: int | None = None,
        drain: bool | None = None,
        available: int | None = None,
    ) -> None:
        """Renews the peer's window if it is low, and sends the state of this side."""
        if self.incoming_window <= self._limits.window // 2:
            self.incoming_window = self._limits.window
        spelled_out = self._limits.spelled_out
        if spelled_out:
            drain = bool(drain)
            available = 0 if handle is not None else None
        self.write(
            self.frame(
                Flow(
                    next_incoming_id=self.next_incoming_id if self.lifetime.theirs is not Half.NEW else None,
                    incoming_window=self.incoming_window,
                    next_outgoing_id=self._next_outgoing_id,
                    outgoing_window=self._outgoing_window,
                    handle=handle,
                    delivery_count=delivery_count,
                    link_credit=link_credit,
                    available=available,
                    drain=drain,
                    echo=False if spelled_out else None,
                )
            )
        )

    # Called by links.

    def frame(self, performative: Composite) -> bytes:
        return self._owner.frame(self.channel, performative)

    def write(self, data: bytes) -> None:
        self._owner.write(data)

    def write_transfers(self, frames: bytes, count: int) -> None:
        self._next_outgoing_id = advanced(self._next_outgoing_id, count)
        self._outgoing_window -= count
        if self._outgoing_window <= 0:
            self._outgoing_window = self._limits.window
        self.window -= count
        self._owner.write(frames)

    def watch(self, link: Link, delivery_id: int) -> bool:
        watched = self._watched[link.sends]
        return watched.setdefault(delivery_id, link) is link

    def unwatch(self, link: Link, delivery_id: int) -> bool:
        watched = self._watched[link.sends]
        if watched.get(delivery_id) is not link:
            return False
        del watched[delivery_id]
        return True

    def count_incoming(self, frames: int) -> None:
        """Books transfer frames of the peer. Raises PeerMistake if they exceed its window."""
        if frames > self.incoming_window:
            raise PeerMistake(
                WINDOW_VIOLATION, f"{frames} transfer frames came into a window of {self.incoming_window}."
            )
        self.next_incoming_id = advanced(self.next_incoming_id, frames)
        self.incoming_window -= frames

    def emit(self, event: object) -> None:
        self._owner.emit(event)

    def forget(self, link: Link) -> None:
        if self._by_handle.get(link.handle) is link:
            del self._by_handle[link.handle]
        if link.remote_handle is not None and self._by_remote_handle.get(link.remote_handle) is link:
            del self._by_remote_handle[link.remote_handle]
        if self._names.get((link.name, link.sends)) is link:
            del self._names[link.name, link.sends]

    # Called by the connection.

    def on_begin(self, begin: Begin, remote_channel: int) -> None:
        self.lifetime.they(Move.OPEN)
        self.remote_channel = remote_channel
        self.next_incoming_id = begin.next_outgoing_id
        self.window = begin.incoming_window
        if begin.handle_max is not None:
            self._remote_handle_max = begin.handle_max
        if self.lifetime.ours is Half.NEW:
            self.begin()
        if self.lifetime.ours is Half.UP:
            self.emit(Begun(self))

    def on_frame(self, performative: Composite, payload: bytes, deliveries: Sequence[int] = ()) -> None:
        """Handles a frame, or several with the same disposition of these `deliveries`. Raises PeerMistake if a mistake must
        end the connection."""
        if isinstance(performative, End):
            self._on_end(performative)
            return
        if not self.lifetime.they(Move.USE):
            raise PeerMistake(FRAMING, f"{_name(performative)} comes behind the end of session {self.channel}.")
        if self.lifetime.ours is Half.DOWN:
            return  # it was in flight when this side ended the session
        match performative:
            case Transfer():
                self._on_transfer(performative, payload)
            case Flow():
                self._on_flow(performative)
            case Disposition():
                self._on_disposition(performative, deliveries)
            case Attach():
                self._on_attach(performative)
            case Detach():
                self._on_detach(performative)
            case _:
                raise PeerMistake(FRAMING, f"{_name(performative)} does not belong into a session.")

    def _on_end(self, end: End) -> None:
        if not self.lifetime.they(Move.CLOSE):
            raise PeerMistake(FRAMING, f"Session {self.channel} ends twice.")
        if self.lifetime.we(Move.CLOSE):
            self.write(self.frame(End()))
            self._over(end.error if isinstance(end.error, Error) else None)
        self._owner.forget(self)

    def lost(self, error: Error | None) -> None:
        """Ends the session: the connection is over, and this side did not close it."""
        told = self.lifetime.ours is Half.DOWN
        self.lifetime.lost()
        if not told:
            self._over(error)

    def dropped(self) -> None:
        """Ends the session: this side has closed the connection."""
        self.lifetime.lost()
        self._drop_links()

    def fail(self, error: Error) -> None:
        """Ends the session because of a mistake of the peer."""
        self.end(error)
        self.emit(Ended(self, error))

    def _over(self, error: Error | None) -> None:
        links = self.links
        self._by_handle.clear()
        for link in links:
            if link.lifetime.ours is not Half.DOWN:
                link.end(error)
        self._drop_links()
        self.emit(Ended(self, error))

    def _drop_links(self) -> None:
        for link in self.links:
            link.lifetime.lost()
            link.dropped()
        self._by_handle.clear()
        self._by_remote_handle.clear()
        self._names.clear()

    def _on_attach(self, attach: Attach) -> None:
        handle = attach.handle
        before = self._by_remote_handle.get(handle)
        if handle > self._limits.handle_max or (before is not None and before.lifetime.ours is not Half.DOWN):
            raise PeerMistake(FRAMING, f"Handle {handle} is in use or above {self._limits.handle_max}.")
        if before is not None:
            # This side has ended that link, and the peer uses the handle again without an answer.
            self.forget(before)
        sends = attach.role is RECEIVER
        link = self._names.pop((attach.name, sends), None)
        if link is None:
            number = handle if handle <= MOST_LINKS and handle not in self._by_handle else self._lowest_handle()
            if number > min(self._remote_handle_max, MOST_LINKS):
                text = f"There are too many links, or no handle up to {self._remote_handle_max}, for another attach."
                self.fail(Error(condition=RESOURCE_LIMIT, description=text))
                return
            link = self._sender(number, attach.name) if sends else Receiver(self, number, attach.name)
            self._by_handle[number] = link
        self._by_remote_handle[handle] = link
        link.on_attach(attach)

    def _on_detach(self, detach: Detach) -> None:
        link = self._by_remote_handle.get(detach.handle)
        if link is not None:  # otherwise both sides have ended the link
            link.on_detach(detach)

    def _on_flow(self, flow: Flow) -> None:
        start = self._limits.first_id if flow.next_incoming_id is None else flow.next_incoming_id
        # A peer that counts more than was sent gets no more for it.
        self.window = min(flow.incoming_window, room(flow.incoming_window, start, self._next_outgoing_id))
        link = self._by_remote_handle.get(flow.handle) if flow.handle is not None else None
        if link is not None:
            link.on_flow(flow)
        elif flow.echo and flow.handle is None:
            self.write_flow()
        for each in self.links:
            if each is not link:
                each.on_window()

    def _on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        try:
            self.count_incoming(1)
        except PeerMistake as mistake:
            self.fail(Error(condition=mistake.condition, description=str(mistake)))
            return
        if self.incoming_window <= self._limits.window // 2:
            self.write_flow()
        link = self._by_remote_handle.get(transfer.handle)
        if link is None or link.sends:
            text = f"Handle {transfer.handle} is not currently associated with a link that receives."
            self.fail(Error(condition=UNATTACHED_HANDLE, description=text))
            return
        link.on_transfer(transfer, payload)

    def _on_disposition(self, disposition: Disposition, deliveries: Sequence[int]) -> None:
        watched = self._watched[disposition.role is RECEIVER]
        first, last = disposition.first, disposition.last
        for number in deliveries or ((first,) if last is None else stretch(first, last, watched)):
            link = watched.get(number)
            if link is not None:
                link.on_disposition(number, disposition)


def _name(performative: Composite) -> str:
    return f"{type(performative).__name__} of the peer"
