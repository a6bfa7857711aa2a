"""A stream inside WebSocket's binary messages, as Azure's hubs take AMQP on port 443 (AMQPWSB10)."""

import base64
import contextlib
import hashlib
import os
from typing import Final

from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.contract import Stream
from ingest.hub.network.faults import NetworkFault, quoted
from ingest.hub.network.http_head import NoHttp, Talking, ask
from ingest.hub.network.websocket_frames import FrameReader, frame
from ingest.timing import Deadline

PATH: Final = "/$servicebus/websocket"
"""Of Event Hubs, and of IoT Hub's service side too."""
PROTOCOL: Final = "AMQPWSB10"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key: str) -> str:
    """What a server answers to a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()).decode("ascii")


def upgrade(connected: Talking, host: str, port: int, deadline: Deadline) -> bytes:
    """Makes a connection one of WebSocket. Returns what the hub has sent behind its answer. Raises NetworkFault."""
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    headers = [
        ("Host", host if port == 443 else f"{host}:{port}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", PROTOCOL),
    ]
    between = "see whether a proxy that inspects TLS is between; it must let WebSocket through"
    where = f"{host}:{port}"
    try:
        answer = ask(connected, "GET", PATH, headers, deadline)
    except TimeoutError:
        raise NetworkFault("websocket", f"no answer from {where} to the request for WebSocket", between) from None
    except NoHttp as error:
        seen = f"what answers at {where} is no HTTP ({quoted(str(error))})"
        fix = 'see whether the port is that of WebSocket, or write hub.network = "amqp"'
        raise NetworkFault("websocket", seen, fix) from None
    except OSError as error:
        seen = f"{where} ended the connection instead of WebSocket ({error.strerror or error})"
        raise NetworkFault("websocket", seen, between) from None
    if answer.status != 101:
        seen = f'{where} does not make the connection one of WebSocket ("{quoted(answer.status_line)}")'
        raise NetworkFault("websocket", seen, f"see whether the host in the connection string is a hub's; {between}")
    if answer.header("Sec-WebSocket-Accept") != [accept_of(key)] or answer.header("Sec-WebSocket-Protocol") != [
        PROTOCOL
    ]:
        raise NetworkFault("websocket", f"{where} agrees to another WebSocket than we asked for", between)
    if answer.header("Sec-WebSocket-Extensions"):
        raise NetworkFault("websocket", f"{where} adds an extension of WebSocket that we did not ask for", between)
    return answer.rest


class WebSocketStream:
    """Implements `contract.Stream` in the messages of a stream that has been upgraded."""

    def __init__(self, inner: Stream, rest: bytes = b"") -> None:
        """`rest`: what has been read from `inner` already."""
        self._inner = inner
        self._reader = FrameReader(masked=False)
        self._rest = rest
        self._over: OSError | bool = False
        """True, or with the hub's words why, once it has closed the WebSocket."""

    @property
    def held(self) -> bool:
        return bool(self._rest or self._over or self._reader.error) or self._inner.held

    def fileno(self) -> int:
        return self._inner.fileno()

    def wait(self, seconds: float) -> bool:
        return bool(self._rest or self._over or self._reader.error) or self._inner.wait(seconds)

    def gather(self, seconds: float, least: int) -> None:
        if not self.held:
            self._inner.gather(seconds, least)

    def interrupt_on(self, descriptor: int) -> None:
        self._inner.interrupt_on(descriptor)

    def read(self, most: int) -> bytes | None:
        if self._over:
            if isinstance(self._over, OSError):
                raise self._over
            return b""
        if self._reader.error is not None:
            raise self._broken()
        if self._rest:
            data: bytes | None = self._rest[:most]
            self._rest = self._rest[most:]
        else:
            data = self._inner.read(most)
        if not data:
            return data
        payload = self._reader.feed(data)
        if self._reader.controls:
            self._control()
        # What has come goes first; the end behind it with the next read.
        return payload or (self.read(most) if self._over or self._reader.error else None)

    def _control(self) -> None:
        """Answers the last ping alone, as RFC 6455 allows (section 5.5.3): a flood of them is no flood of answers."""
        controls, self._reader.controls = self._reader.controls, []
        ping: bytes | None = None
        for opcode, payload in controls:
            if opcode == frames.PING:
                ping = payload
            elif opcode == frames.CLOSE:
                code, words = frames.close_words(payload)
                with contextlib.suppress(OSError):
                    self._send(frames.CLOSE, payload[:2])
                said = f"{code} {quoted(words)}".strip()
                self._over = code == frames.NORMAL_END or ConnectionResetError(f"the hub closed the WebSocket: {said}")
                return
        if ping is not None:
            self._send(frames.PONG, ping)

    def _broken(self) -> OSError:
        with contextlib.suppress(OSError):
            self._send(frames.CLOSE, frames.close_payload(frames.PROTOCOL_ERROR))
        self._over = ConnectionAbortedError(f"the hub's side of the WebSocket is broken: {self._reader.error}")
        return self._over

    def write(self, data: bytes) -> None:
        self._send(frames.BINARY, data)

    def _send(self, opcode: int, payload: bytes) -> None:
        self._inner.write(frame(opcode, payload, os.urandom(4)))

    def close(self) -> None:
        if not self._over:
            with contextlib.suppress(OSError):
                self._send(frames.CLOSE, frames.close_payload(frames.NORMAL_END))
        self._inner.close()

    def terminate(self) -> None:
        self._inner.terminate()
