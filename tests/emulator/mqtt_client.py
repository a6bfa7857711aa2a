"""The client's half of MQTT 3.1.1, written apart from the server's: makes any packet, right or wrong, and shows answers.

Packets from the server are tuples of the standard's field values: `("CONNACK", session present, code)`,
`("PUBLISH", topic, payload, qos, packet id, duplicate)`, `("PUBACK", id)`, `("SUBACK", id, [codes])`,
`("UNSUBACK", id)`, `("PINGRESP",)`.
"""

import socket
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from tests.emulator.mqtt_listener import DEADLINE_SECONDS, Listener

Answer: TypeAlias = tuple[Any, ...]

PING = b"\xc0\x00"
LEAVE = b"\xe0\x00"
ACCEPTED = ("CONNACK", False, 0)


def text(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(encoded)) + encoded


def packet(first: int, *parts: bytes) -> bytes:
    """`first`: type and flags. The size is encoded as in the standard's own pseudo-code (part 2.2.3)."""
    content = b"".join(parts)
    rest = len(content)
    size = b""
    while True:
        rest, digit = divmod(rest, 128)
        size += bytes((digit | (128 if rest else 0),))
        if not rest:
            return bytes((first,)) + size + content


def connect(
    client_id: str = "dev1",
    username: str | None = "hub/dev1/?api-version=2021-04-12",
    password: str | bytes | None = "",
    *,
    clean: bool = True,
    keep_alive: int = 0,
    will: tuple[str, bytes, int, bool] | None = None,
    level: int = 4,
) -> bytes:
    """`will`: topic, payload, QoS, retain."""
    flags = clean << 1 | (username is not None) << 7 | (password is not None) << 6
    fields = [text(client_id)]
    if will is not None:
        topic, payload, qos, retain = will
        flags |= 4 | qos << 3 | retain << 5
        fields += [text(topic), text(payload)]
    fields += [text(each) for each in (username, password) if each is not None]
    return packet(0x10, text("MQTT"), bytes((level, flags)), struct.pack(">H", keep_alive), *fields)


def publish(
    topic: str,
    payload: bytes = b"",
    packet_id: int | None = None,
    *,
    qos: int | None = None,
    retain: bool = False,
    duplicate: bool = False,
) -> bytes:
    """QoS 1 with a packet id, 0 without one, unless `qos` says otherwise."""
    level = (0 if packet_id is None else 1) if qos is None else qos
    number = b"" if packet_id is None else struct.pack(">H", packet_id)
    return packet(0x30 | duplicate << 3 | level << 1 | retain, text(topic), number, payload)


def puback(packet_id: int) -> bytes:
    return packet(0x40, struct.pack(">H", packet_id))


def subscribe(packet_id: int, *filters: tuple[str, int]) -> bytes:
    return packet(0x82, struct.pack(">H", packet_id), *(text(topic) + bytes((qos,)) for topic, qos in filters))


def unsubscribe(packet_id: int, *filters: str) -> bytes:
    return packet(0xA2, struct.pack(">H", packet_id), *map(text, filters))


class MqttClient:
    """A blocking connection over TLS. Every wait ends with TimeoutError."""

    def __init__(self, listener: Listener) -> None:
        context = ssl.create_default_context(cafile=str(listener.certificate.ca_file))
        plain = socket.create_connection((listener.host, listener.port), DEADLINE_SECONDS)
        self._listener = listener
        self._socket = context.wrap_socket(plain, server_hostname=listener.host)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, *packets: bytes) -> None:
        self._socket.sendall(b"".join(packets))

    def enter(self, device_id: str = "dev1", **fields: Any) -> Answer:
        """CONNECT with a good token."""
        username = f"hub/{device_id}/?api-version=2021-04-12"
        self.send(connect(device_id, username, self._listener.devices.token(device_id), **fields))
        return self.receive()

    def receive(self) -> Answer:
        """The next packet. Raises ConnectionError at the end."""
        first = self._read(1)[0]
        size = factor = 0
        while True:
            byte = self._read(1)[0]
            size += (byte & 127) << 7 * factor
            factor += 1
            if byte < 128:
                return decode(first, self._read(size))

    def ended(self) -> bool:
        """Wait for the end of the connection; False if something comes instead."""
        with suppress(ConnectionError):
            return not self._socket.recv(1)
        return True

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("The server has closed the connection.")
            data += piece
        return data


def decode(first: int, content: bytes) -> Answer:
    match first >> 4:
        case 2:
            present, code = content
            return "CONNACK", bool(present), code
        case 3:
            (length,) = struct.unpack(">H", content[:2])
            topic, rest = content[2 : 2 + length].decode(), content[2 + length :]
            qos = first >> 1 & 3
            packet_id = struct.unpack(">H", rest[:2])[0] if qos else None
            return "PUBLISH", topic, rest[2:] if qos else rest, qos, packet_id, bool(first & 8)
        case 4:
            return "PUBACK", *struct.unpack(">H", content)
        case 9:
            return "SUBACK", struct.unpack(">H", content[:2])[0], list(content[2:])
        case 11:
            return "UNSUBACK", *struct.unpack(">H", content)
        case 13:
            assert not content
            return ("PINGRESP",)
    raise AssertionError(f"A server does not send a packet that starts with {first:#x}.")
