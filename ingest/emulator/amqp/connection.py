"""One client's connection: `ingest.amqp`'s state machine on a socket, and the hub's links on its events."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Final, Protocol, cast

from ingest.amqp import connection as amqp
from ingest.amqp.link import AttachAsked, Detached
from ingest.amqp.link import Link as WireLink
from ingest.amqp.performatives import Attach, Open, SaslInit
from ingest.amqp.receiver import Delivery
from ingest.amqp.sasl import ANONYMOUS, EXTERNAL, MSSBCBS, PLAIN, SaslServer
from ingest.amqp.sender import Outcome, Sendable
from ingest.amqp.session import SessionLimits
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import Authorization
from ingest.emulator.amqp.delay_line import DelayLine
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.amqp.sasl_plain import log_in
from ingest.emulator.amqp.seat import Seat
from ingest.emulator.conditions import Condition, LinkRefused, error_of
from ingest.emulator.keys import Keys

MAX_FRAME_SIZE = 65_536
SESSION: Final = SessionLimits(window=5000, handle_max=255, first_id=1, spelled_out=True)
_CHANNEL_MAX = 4999
_MECHANISMS = (MSSBCBS, PLAIN, ANONYMOUS, EXTERNAL)
_WITHOUT_USER = (MSSBCBS, ANONYMOUS)
_HIGH_WATER = 512 * 1024
_MOST_DELAYED = 64 * 1024 * 1024
_CLOSE_SECONDS = 5.0


class ConnectionOwner(Protocol):
    """The server, as a connection sees it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def container_id(self) -> str: ...

    @property
    def idle_seconds(self) -> float:
        """A client that is silent for so long is disconnected."""
        ...

    @property
    def round_trip(self) -> float:
        """Seconds that the wire takes there and back."""
        ...

    def joined(self, connection: "Connection") -> None: ...

    def left(self, connection: "Connection") -> None: ...

    def new_link(self, session: LinkOwner, attach: Attach) -> Link:
        """The link that an attach asks for, not yet accepted. Raises LinkRefused."""
        ...


class Connection(asyncio.Protocol):
    """Bytes in, frames out. Lives in the loop's thread."""

    def __init__(self, owner: ConnectionOwner, authorization: Authorization) -> None:
        self._owner = owner
        self.authorization = authorization
        self.host_name = "localhost"
        """The name by which the client knows this hub."""
        self.links: dict[WireLink, Link] = {}
        """Those that are attached."""
        self._loop = owner.loop
        self._amqp = amqp.Connection(
            Open(
                container_id=owner.container_id,
                max_frame_size=MAX_FRAME_SIZE,
                channel_max=_CHANNEL_MAX,
                idle_time_out=int(owner.idle_seconds * 1000),
            ),
            clock=self._loop.time,
            sasl=SaslServer(_MECHANISMS, self._lets_in),
            accepts=SESSION,
            write=self._put,
        )
        self._incoming = DelayLine(self._loop)
        self._outgoing = DelayLine(self._loop)
        self._paused = False
        self._closing = False
        """Our close is sent; only the peer's is waited for."""
        self._hung_up = False
        self._transport: asyncio.Transport | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._owner.joined(self)

    def data_received(self, data: bytes) -> None:
        self._amqp.heard()
        self._incoming.push(self._owner.round_trip / 2, len(data), lambda: self._take(data))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        for link in list(self.links.values()):
            link.on_window()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._incoming.clear()
        self._outgoing.clear()
        self._forget_all()
        self._owner.left(self)

    # What the server's other parts call.

    @property
    def writable(self) -> bool:
        """Whether bulk data may be written now; control frames always may."""
        return not self._paused and self._outgoing.held_bytes < _MOST_DELAYED and self._amqp.up

    def write(self, data: bytes) -> None:
        """Sends bytes that the connection does not know of."""
        if not self._closing:
            self._put(data)

    def _put(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None:
            self._outgoing.push(self._owner.round_trip / 2, len(data), lambda: self._emit(transport, data))

    def _emit(self, transport: asyncio.Transport, data: bytes) -> None:
        was_full = self._outgoing.held_bytes + len(data) >= _MOST_DELAYED
        transport.write(data)
        if was_full and self.writable:
            self.resume_writing()

    def close(self, condition: Condition) -> None:
        """Close with an error, wait for the peer's close, and hang up when it does not come."""
        if not self._closing:
            self._amqp.close(error_of(condition))
            self._await_close()

    def _await_close(self) -> None:
        self._closing = True
        self._forget_all()
        self._loop.call_later(_CLOSE_SECONDS, self._hang_up)

    def abort(self) -> None:
        """Reset the TCP connection."""
        if self._transport is not None:
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._closing = True
            self._forget_all()  # what came with the last bytes is not looked at
            self._transport.abort()

    def forget(self, wire: WireLink) -> None:
        """The link has ended."""
        link = self.links.pop(wire, None)
        if link is not None:
            link.on_closed()

    def _forget_all(self) -> None:
        for wire in list(self.links):
            self.forget(wire)

    def tick(self) -> None:
        """Heartbeats, idle time-out and expired tokens; called a few times a second."""
        if not self._amqp.up:
            return
        if self._amqp.silent_seconds > self._owner.idle_seconds:
            self.close(conditions.connection_inactive(int(self._owner.idle_seconds * 1000)))
            return
        self._on_events(self._amqp.tick())
        for link in list(self.links.values()):
            refusal = self.authorization.refusal(link.auth_path) if link.auth_path is not None else None
            if refusal is not None:
                link.detach(conditions.unauthorized(refusal))

    # What the peer says.

    def _take(self, data: bytes) -> None:
        self._on_events(self._amqp.receive(data))
        if self._amqp.finished:
            self._hang_up()

    def _on_events(self, events: Sequence[amqp.Event]) -> None:
        while events:
            self._on_each(events)
            events = self._amqp.events()

    def _on_each(self, events: Sequence[amqp.Event]) -> None:
        for event in events:
            match event:
                case Delivery(wire, delivery_id, message, settled):
                    if wire in self.links:
                        self.links[wire].on_message(delivery_id, message, settled)
                case Sendable(wire):
                    if wire in self.links:
                        self.links[wire].on_window()
                case Outcome(wire, delivery_id, state):
                    if wire in self.links:
                        self.links[wire].on_outcome(delivery_id, state)
                case AttachAsked(wire):
                    if wire.asked and wire.remote is not None:
                        self._answer(wire, wire.remote)
                case Detached(wire):
                    self.forget(wire)
                case amqp.Opened(peer):
                    if peer.hostname:
                        self.host_name = peer.hostname.partition(":")[0]
                case amqp.Closed():
                    self._await_close()

    def _answer(self, wire: WireLink, attach: Attach) -> None:
        try:
            link = self._owner.new_link(Seat(self, wire), attach)
        except LinkRefused as refused:
            wire.refuse(error_of(refused.condition, refused.info))
            return
        self.links[wire] = link
        link.accept()

    def _lets_in(self, init: SaslInit) -> bool:
        return init.mechanism in _WITHOUT_USER or (
            init.mechanism == PLAIN and log_in(self.authorization, self._owner.keys, init.initial_response)
        )

    def _hang_up(self) -> None:
        """Close the socket after what was written is out."""
        transport = self._transport
        if transport is not None and not self._hung_up:
            self._hung_up = True
            self._outgoing.push(self._owner.round_trip / 2, 0, transport.close)
