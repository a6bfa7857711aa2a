"""The base of both kinds of links: names, handles, attach and detach, for either side (AMQP 1.0 part 2.6). Sans-IO."""

from dataclasses import replace
from typing import NamedTuple, Protocol

from ingest.amqp.composites import Composite
from ingest.amqp.errors import WrongMove
from ingest.amqp.lifetime import Half, Lifetime, Move
from ingest.amqp.performatives import RECEIVER, Attach, Detach, Disposition, Error, Flow, Transfer

MAX_MESSAGE_BYTES = 1_048_576
"""The limit of Event Hubs and IoT Hub as well."""
INVALID_FIELD = "amqp:invalid-field"


class Attached(NamedTuple):
    """The peer has accepted our attach; its answer is in `link.remote`."""

    link: "Link"


class AttachAsked(NamedTuple):
    """The peer asks for a link; `accept` or `refuse` it while it is still `asked`. Its attach is in `link.remote`."""

    link: "Link"


class Detached(NamedTuple):
    """The link is over, and this side did not end it: the peer ended it or refused our attach, or its session ended.

    Comes once for each link.
    """

    link: "Link"
    error: Error | None
    """The reason in the peer's own words, if it gave one."""


class LinkOwner(Protocol):
    """The session of a link, as the link sees it."""

    next_delivery_id: int

    @property
    def channel(self) -> int:
        """Of the frames that this side sends."""
        ...

    @property
    def max_frame_size(self) -> int:
        """Of the frames that the peer takes, bytes."""
        ...

    @property
    def window(self) -> int:
        """Transfer frames that the peer takes before its next flow."""
        ...

    def frame(self, performative: Composite) -> bytes:
        """Returns the frame. Raises WrongMove if the peer takes no frame of that size."""
        ...

    def write(self, data: bytes) -> None:
        """Writes whole frames other than transfers."""
        ...

    def write_transfers(self, frames: bytes, count: int) -> None:
        """Writes `count` whole transfer frames, and books them."""
        ...

    def write_flow(
        self,
        *,
        handle: int,
        delivery_count: int | None,
        link_credit: int,
        drain: bool | None = None,
        available: int | None = None,
    ) -> None: ...

    def count_incoming(self, frames: int) -> None:
        """Books received transfer frames that bypassed the session. Raises PeerMistake."""
        ...

    def watch(self, link: "Link", delivery_id: int) -> bool:
        """Sends dispositions of this delivery to `link`, until `unwatch`. Returns False if another link gets them."""
        ...

    def unwatch(self, link: "Link", delivery_id: int) -> bool:
        """Ends `watch`. Returns whether the link still watched the delivery."""
        ...

    def emit(self, event: object) -> None:
        """Passes an event to the user of the connection."""
        ...

    def forget(self, link: "Link") -> None:
        """Forgets a link of which no more frames can come."""
        ...


class Link:
    """Base of `Sender` and `Receiver`. Made by a session."""

    sends: bool
    """Whether this side is the sender."""

    def __init__(self, session: LinkOwner, handle: int, name: str) -> None:
        self.session = session
        self.name = name
        self.handle = handle
        """This side's number of the link."""
        self.remote_handle: int | None = None
        """The peer's number of the link."""
        self.lifetime = Lifetime()
        self.local: Attach | None = None
        """This side's attach."""
        self.remote: Attach | None = None
        """The peer's attach."""
        self._refused = False

    @property
    def attached(self) -> bool:
        """Whether the link can be used."""
        return self.lifetime.up and not self._refused

    @property
    def asked(self) -> bool:
        """Whether the peer waits for our answer to its attach."""
        return self.lifetime.ours is Half.NEW and self.lifetime.theirs is Half.UP

    def attach(self, attach: Attach) -> None:
        """Sends our attach, whose name, handle and role are those of this link."""
        attach = replace(attach, name=self.name, handle=self.handle, role=not self.sends)
        frame = self.session.frame(attach)
        if not self.lifetime.we(Move.OPEN):
            raise WrongMove(f"The link {self.name:.100} cannot be attached twice.")
        self.local = attach
        self.session.write(frame)

    accept = attach
    """Accepts an attach of the peer."""

    def refuse(self, error: Error) -> None:
        """Refuses an attach of the peer: an attach without a terminus, and a detach with the reason (part 2.6.3)."""
        self.attach(Attach(name=self.name, handle=self.handle, role=not self.sends))
        self.detach(error)

    def detach(self, error: Error | None = None, *, closed: bool = True) -> None:
        """Ends the link from this side. Later frames of the peer for it are dropped."""
        frame = self.session.frame(Detach(handle=self.handle, closed=closed, error=error))
        if not self.lifetime.we(Move.CLOSE):
            raise WrongMove(f"The link {self.name:.100} is not attached.")
        self.session.write(frame)
        self.dropped()
        if self.lifetime.over:
            self.session.forget(self)

    def use(self, what: str) -> None:
        """Raises WrongMove if the link is not attached."""
        if not self.attached:
            raise WrongMove(f"The link {self.name:.100} is not attached: {what} is not possible.")

    # Called by the session.

    def on_attach(self, attach: Attach) -> None:
        """Handles the peer's attach, which answers ours or asks for a link."""
        self.lifetime.they(Move.OPEN)
        self.remote_handle = attach.handle
        self.remote = attach
        if self.lifetime.ours is Half.NEW:
            self.session.emit(AttachAsked(self))
        elif self.lifetime.ours is Half.UP:
            # A refusal names no terminus on the peer's side of the link; its reason comes with the detach.
            self._refused = (attach.source if attach.role is not RECEIVER else attach.target) is None
            if not self._refused:
                self.session.emit(Attached(self))

    def on_detach(self, detach: Detach) -> None:
        self.lifetime.they(Move.CLOSE)
        if self.lifetime.ours is not Half.DOWN:
            if self.lifetime.we(Move.CLOSE):
                self.session.write(self.session.frame(Detach(handle=self.handle, closed=detach.closed)))
            self.end(detach.error if isinstance(detach.error, Error) else None)
        self.session.forget(self)

    def fail(self, error: Error) -> None:
        """Detaches because of a mistake of the peer."""
        if self.lifetime.ours is Half.UP:
            self.detach(error)
            self.session.emit(Detached(self, error))

    def end(self, error: Error | None) -> None:
        """Ends the link: the peer has ended it, or its session is over."""
        self.lifetime.lost()
        self.dropped()
        self.session.emit(Detached(self, error))

    def dropped(self) -> None:
        """Drops everything that is in flight."""

    def on_flow(self, flow: Flow) -> None:
        """Handles the peer's view of the link."""

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Handles a frame with a message or a part of one. Raises PeerMistake."""

    def on_disposition(self, delivery_id: int, disposition: Disposition) -> None:
        """Handles what the peer says about a delivery that this link watches."""

    def on_window(self) -> None:
        """Handles a new window: there can be room to send."""
