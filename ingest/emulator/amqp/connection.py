"""One client's connection: protocol headers, SASL, open, sessions, idle time-outs (AMQP 1.0 parts 2.2 to 2.4, 5.3)."""

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import Protocol, cast

from ingest.amqp.composites import Composite
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MIN_MAX_FRAME_SIZE,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameSplitter,
    ProtocolHeader,
    decode_body,
    encode_frame,
)
from ingest.amqp.performatives import Attach, Begin, Close, Open, SaslInit, SaslMechanisms, SaslOutcome
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import Authorization
from ingest.emulator.amqp.delay_line import DelayLine
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.amqp.sasl_plain import log_in
from ingest.emulator.amqp.session import Session
from ingest.emulator.conditions import Condition, error_of
from ingest.emulator.keys import Keys

MAX_FRAME_SIZE = 65_536
_CHANNEL_MAX = 4999
_MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
_WITHOUT_USER = ("MSSBCBS", "ANONYMOUS")
_HIGH_WATER = 512 * 1024
_MOST_DELAYED = 64 * 1024 * 1024
_CLOSE_SECONDS = 5.0


class _State(Enum):
    SASL_HEADER = auto()
    SASL_INIT = auto()
    HEADER = auto()
    OPEN = auto()
    OPENED = auto()
    CLOSING = auto()
    """Our close is sent; only the peer's is waited for."""
    CLOSED = auto()


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
        self.max_frame_size = MIN_MAX_FRAME_SIZE
        self.host_name = "localhost"
        """The name by which the client knows this hub."""
        self.sessions: dict[int, Session] = {}
        self._loop = owner.loop
        self._state = _State.SASL_HEADER
        self._splitter = FrameSplitter(MAX_FRAME_SIZE)
        self._incoming = DelayLine(self._loop)
        self._outgoing = DelayLine(self._loop)
        self._paused = False
        self._peer_idle_seconds: float | None = None
        self._last_received = self._last_sent = self._loop.time()
        self._transport: asyncio.Transport | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._owner.joined(self)

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        self._incoming.push(self._owner.round_trip / 2, len(data), lambda: self._take(data))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        for session in list(self.sessions.values()):
            for link in list(session.links.values()):
                link.on_window()

    def connection_lost(self, error: Exception | None) -> None:
        self._state = _State.CLOSED
        self._transport = None
        self._incoming.clear()
        self._outgoing.clear()
        for session in list(self.sessions.values()):
            session.close()
        self.sessions.clear()
        self._owner.left(self)

    # What the server's other parts call.

    @property
    def writable(self) -> bool:
        """Whether bulk data may be written now; control frames always may."""
        return not self._paused and self._outgoing.held_bytes < _MOST_DELAYED and self._state is _State.OPENED

    def write(self, data: bytes) -> None:
        if self._state in (_State.CLOSING, _State.CLOSED):
            return
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._last_sent = self._loop.time()
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
        if self._state in (_State.CLOSING, _State.CLOSED):
            return
        self.write(encode_frame(0, Close(error=error_of(condition))))
        self._state = _State.CLOSING
        for session in list(self.sessions.values()):
            session.close()
        self.sessions.clear()
        self._loop.call_later(_CLOSE_SECONDS, self._hang_up)

    def abort(self) -> None:
        """Reset the TCP connection."""
        if self._transport is not None:
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._state = _State.CLOSED
            self._transport.abort()

    def forget(self, channel: int) -> None:
        self.sessions.pop(channel, None)

    def new_link(self, session: LinkOwner, attach: Attach) -> Link:
        return self._owner.new_link(session, attach)

    def tick(self) -> None:
        """Heartbeats, idle time-out and expired tokens; called a few times a second."""
        now = self._loop.time()
        if self._state is not _State.OPENED:
            return
        if self._peer_idle_seconds is not None and now - self._last_sent >= self._peer_idle_seconds / 2:
            self.write(EMPTY_FRAME)
        if now - self._last_received > self._owner.idle_seconds:
            self.close(conditions.connection_inactive(int(self._owner.idle_seconds * 1000)))
            return
        for session in list(self.sessions.values()):
            for link in list(session.links.values()):
                refusal = self.authorization.refusal(link.auth_path) if link.auth_path is not None else None
                if refusal is not None:
                    link.detach(conditions.unauthorized(refusal))

    # What the peer says.

    def _take(self, data: bytes) -> None:
        try:
            for item in self._splitter.feed(data):
                if isinstance(item, ProtocolHeader):
                    self._on_header(item)
                elif item.body:
                    self._on_frame(item)
        except AmqpError as error:
            if self._state in (_State.OPENED, _State.OPEN):
                self.close(Condition("amqp:decode-error", str(error)))
            else:
                self._hang_up()

    def _on_header(self, header: ProtocolHeader) -> None:
        if header.raw == SASL_HEADER and self._state is _State.SASL_HEADER:
            self._state = _State.SASL_INIT
            mechanisms = SaslMechanisms(sasl_server_mechanisms=_MECHANISMS)
            self.write(SASL_HEADER + encode_frame(0, mechanisms, kind=SASL_FRAME))
        elif header.raw == AMQP_HEADER and self._state in (_State.HEADER, _State.SASL_HEADER):
            # IoT Hub does without SASL when the client does, as the JavaScript client azure-iothub; tokens come on $cbs.
            self._state = _State.OPEN
            self.write(AMQP_HEADER)
        else:
            # Part 2.2: answer with the header that would be right, then hang up.
            self.write(SASL_HEADER if self._state is _State.SASL_HEADER else AMQP_HEADER)
            self._hang_up()

    def _on_frame(self, frame: Frame) -> None:
        performative, payload = decode_body(frame.body, typed=True)
        match self._state, performative:
            case _State.SASL_INIT, SaslInit() if frame.kind == SASL_FRAME:
                self._on_sasl(performative)
            case _State.OPEN, Open():
                self._on_open(performative)
            case _State.OPENED, Begin() if frame.channel not in self.sessions and frame.channel <= _CHANNEL_MAX:
                self.sessions[frame.channel] = Session(self, frame.channel, performative)
            case _State.OPENED, Close():
                self.write(encode_frame(0, Close()))
                self._hang_up()
            case _State.OPENED, _ if frame.channel in self.sessions:
                self.sessions[frame.channel].handle(performative, payload)
            case _State.CLOSING, Close():
                self._hang_up()
            case ((_State.CLOSING | _State.CLOSED), _):
                pass
            case _:
                raise AmqpError(f"{_name(performative)} on channel {frame.channel} does not belong here.")

    def _on_sasl(self, init: SaslInit) -> None:
        accepted = init.mechanism in _WITHOUT_USER or (
            init.mechanism == "PLAIN" and log_in(self.authorization, self._owner.keys, init.initial_response)
        )
        self.write(encode_frame(0, SaslOutcome(code=0 if accepted else 1), kind=SASL_FRAME))
        self._state = _State.HEADER
        if not accepted:
            self._hang_up()

    def _on_open(self, peer: Open) -> None:
        self.max_frame_size = max(MIN_MAX_FRAME_SIZE, min(MAX_FRAME_SIZE, peer.max_frame_size or MAX_FRAME_SIZE))
        if peer.hostname:
            self.host_name = peer.hostname.partition(":")[0]
        if peer.idle_time_out:
            self._peer_idle_seconds = peer.idle_time_out / 1000
        self._state = _State.OPENED
        self.write(
            encode_frame(
                0,
                Open(
                    container_id=self._owner.container_id,
                    max_frame_size=MAX_FRAME_SIZE,
                    channel_max=_CHANNEL_MAX,
                    idle_time_out=int(self._owner.idle_seconds * 1000),
                ),
            )
        )

    def _hang_up(self) -> None:
        """Close the socket after what was written is out."""
        transport = self._transport
        if transport is None or self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._outgoing.push(self._owner.round_trip / 2, 0, transport.close)


def _name(performative: Composite) -> str:
    return type(performative).__name__.lower()
