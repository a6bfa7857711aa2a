"""AMQP inside WebSocket, on the port that takes it without: the client's first bytes tell (AMQPWSB10, RFC 6455).

Azure's hubs have it on port 443, at one path for Event Hubs and IoT Hub, and at another for older clients of IoT Hub.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import h11

from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.websocket import PATH, PROTOCOL, accept_of
from ingest.hub.network.websocket_frames import FrameReader, frame

PATHS: Final = (PATH, "/$iothub/websocket")
_GET: Final = b"GET "
_MOST_HEAD_BYTES: Final = 16 * 1024
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BAD: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class FirstBytes(asyncio.Protocol):
    """Waits for what tells AMQP from WebSocket, and hands the connection on."""

    def __init__(self, make: Callable[[], asyncio.Protocol], opened: Callable[[asyncio.Transport], None]) -> None:
        """`make` gives the protocol of one connection of AMQP; `opened` gets the connection before that is known."""
        self._make = make
        self._opened = opened
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._opened(self._transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._held += data
        if len(self._held) < len(_GET) and _GET.startswith(self._held):
            return
        chosen = WebSocket(self._make) if self._held.startswith(_GET) else self._make()
        transport.set_protocol(chosen)
        chosen.connection_made(transport)
        chosen.data_received(self._held)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None


class WebSocket(asyncio.Protocol):
    """One client's WebSocket: the request for it, then frames."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_BYTES)
        self._reader = FrameReader(masked=True)
        self._inner: asyncio.Protocol | None = None
        """AMQP's side, once there is a WebSocket."""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            rest = self._asked(data)
            if not rest:
                return
            data = rest
        payload = self._reader.feed(data)
        if payload and self._inner is not None:
            self._inner.data_received(payload)
        self._answer_controls()
        if self._reader.error is not None:
            self._hang_up(frame(frames.CLOSE, frames.close_payload(frames.PROTOCOL_ERROR, str(self._reader.error))))

    def _asked(self, data: bytes) -> bytes:
        """Takes the request. Returns what is behind it, once it was granted."""
        try:
            self._http.receive_data(data)
            asked = self._http.next_event()
        except h11.RemoteProtocolError:
            self._hang_up(_BAD)
            return b""
        if not isinstance(asked, h11.Request):
            return b""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked.headers}
        path = asked.target.decode("latin-1").partition("?")[0].rstrip("/")
        protocols = [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]
        if path not in PATHS or headers.get("upgrade", "").lower() != "websocket" or PROTOCOL not in protocols:
            self._hang_up(_NOT_FOUND)
            return b""
        if self._transport is None:
            return b""
        self._transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_of(headers.get('sec-websocket-key', ''))}\r\n"
            f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode("latin-1")
        )
        self._inner = self._make()
        self._inner.connection_made(_Messages(self._transport))
        self._http.next_event()  # the end of a request without a body
        return bytes(self._http.trailing_data[0])

    def _answer_controls(self) -> None:
        controls, self._reader.controls = self._reader.controls, []
        for opcode, payload in controls:
            if opcode == frames.PING and self._transport is not None:
                self._transport.write(frame(frames.PONG, payload))
            elif opcode == frames.CLOSE:
                self._hang_up(frame(frames.CLOSE, payload[:2]))

    def _hang_up(self, last: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(last)
            self._transport.close()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._inner is not None:
            self._inner.connection_lost(error)


class _Messages(asyncio.Transport):
    """What a connection of AMQP writes to: each write is one message."""

    def __init__(self, tcp: asyncio.Transport) -> None:
        super().__init__()
        self._tcp = tcp

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tcp.write(frame(frames.BINARY, bytes(data)))

    def close(self) -> None:
        if not self._tcp.is_closing():
            self._tcp.write(frame(frames.CLOSE, frames.close_payload(frames.NORMAL_END)))
            self._tcp.close()

    def abort(self) -> None:
        self._tcp.abort()

    def is_closing(self) -> bool:
        return self._tcp.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._tcp.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._tcp.set_write_buffer_limits(high, low)
