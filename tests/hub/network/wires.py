"""Both ends of a connection of each kind: ours, a stream, and the hub's, which cuts what it sends as it likes."""

import random
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ingest.config import Secret
from ingest.config.proxies import ProxyAddress
from ingest.emulator.certificate import make_certificate
from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.contract import Stream
from ingest.hub.network.dialing import dial
from ingest.hub.network.route import Route
from ingest.hub.network.websocket import accept_of
from ingest.hub.network.websocket_frames import FrameReader, frame
from ingest.hub.tls import event_hub_context
from tests.hub.network.proxy import proxy

PATIENCE: Final = 60.0
HOST: Final = "127.0.0.1"
PASSWORD: Final = "p&ss:word/ü"
KINDS: Final = ("tcp", "tls", "websocket", "tls through a proxy", "websocket through a proxy with a password")


class HubSide:
    """The other end, after TLS and the upgrade. `send` cuts; `received` waits for so many bytes."""

    def __init__(self, connected: socket.socket, *, websocket: bool) -> None:
        self.socket = connected
        self._websocket = websocket
        self._reader = FrameReader(masked=True)
        self._random = random.Random(7)
        self.controls: list[tuple[int, bytes]] = []

    def send(self, data: bytes) -> None:
        """All of `data`; inside WebSocket in messages and fragments of any size, with pings between them."""
        if self._websocket:
            data = self._in_frames(data)
        while data:
            cut = self._random.choice((1, 2, 7, 1000, 40_000))
            self.socket.sendall(data[:cut])
            data = data[cut:]

    def _in_frames(self, data: bytes) -> bytes:
        made, first = b"", True
        while data:
            size = self._random.choice((0, 1, 125, 126, 3000, 70_000))
            piece, data = data[:size], data[size:]
            final = not data or self._random.random() < 0.5
            made += frame(frames.BINARY if first else frames.CONTINUATION, piece, final=final)
            first = final
            if self._random.random() < 0.5:
                made += frame(frames.PING, b"are you there")
        return made

    def received(self, size: int) -> bytes:
        """The next bytes, `size` of them."""
        found = b""
        while len(found) < size:
            data = self.socket.recv(65536 if self._websocket else size - len(found))
            assert data, "our side has ended"
            found += self._reader.feed(data) if self._websocket else data
        self.controls, self._reader.controls = self.controls + self._reader.controls, []
        assert self._reader.error is None
        return found

    def end(self) -> None:
        """An orderly end."""
        with suppress(OSError):
            if self._websocket:
                self.socket.sendall(frame(frames.CLOSE, frames.close_payload(frames.NORMAL_END)))
            elif isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(0.1)
                self.socket.unwrap()
            else:
                self.socket.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Wire:
    kind: str
    ours: Stream
    hub: HubSide


def _accept(listener: socket.socket, context: ssl.SSLContext | None, *, websocket: bool, into: list[HubSide]) -> None:
    with suppress(OSError):
        connected, _ = listener.accept()
        connected.settimeout(PATIENCE)
        if context is not None:
            connected = context.wrap_socket(connected, server_side=True)
        if websocket:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connected.recv(1)
            key = next(line for line in head.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key: "))[19:]
            connected.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_of(key)}\r\nSec-WebSocket-Protocol: AMQPWSB10\r\n\r\n".encode()
            )
        into.append(HubSide(connected, websocket=websocket))


@contextmanager
def wire(kind: str, folder: Path) -> Iterator[Wire]:
    """A connection of one of KINDS."""
    certificate = make_certificate(folder, (HOST,))
    websocket, tls = "websocket" in kind, kind != "tcp"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0)))
        route = Route(HOST, listener.getsockname()[1], "websocket" if websocket else "amqp", tls=tls)
        if "proxy" in kind:
            user = "ingest" if "password" in kind else ""
            between = stack.enter_context(proxy(user, PASSWORD))
            route = replace(route, proxy=ProxyAddress(HOST, between.port, user, Secret(PASSWORD)))
        sides: list[HubSide] = []
        context = certificate.server_context() if tls else None
        accepting = threading.Thread(
            target=_accept, args=(listener, context), kwargs={"websocket": websocket, "into": sides}, daemon=True
        )
        accepting.start()
        ours = dial(route, lambda: event_hub_context(certificate.ca_file), PATIENCE)
        accepting.join(PATIENCE)
        stack.callback(sides[0].socket.close)
        stack.callback(ours.close)
        yield Wire(kind, ours, sides[0])
