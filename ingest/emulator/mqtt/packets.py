"""MQTT 3.1.1 control packets, sans-IO: what a client sends is decoded, what a server sends is encoded.

Source: "MQTT Version 3.1.1", OASIS standard, parts 1.5, 2 and 3. What the standard calls a protocol violation
raises `MqttError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

MOST_TEXT_BYTES: Final = 0xFFFF
"""The length of a text is a field of two bytes (part 1.5.3)."""


class _Kind(IntEnum):
    """Table 2.1."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


_FLAGS: Final[dict[int, int]] = {
    _Kind.CONNECT: 0,
    _Kind.PUBACK: 0,
    _Kind.SUBSCRIBE: 2,
    _Kind.UNSUBSCRIBE: 2,
    _Kind.PINGREQ: 0,
    _Kind.DISCONNECT: 0,
}
"""What a client may send, and the four low bits of its first byte where they are fixed (table 2.2)."""
_LEVEL_3_1_1 = 4
_SIZE_BYTES = 4


class MqttError(Exception):
    """The bytes are not MQTT 3.1.1 as a client may send it; close the connection. `str()` says why."""


class UnknownLevel(MqttError):
    """A CONNECT of another MQTT version: the one violation that a server answers (part 3.1.2.2)."""


class ConnectCode(IntEnum):
    """Return code of a CONNACK (table 3.1)."""

    ACCEPTED = 0
    UNACCEPTABLE_LEVEL = 1
    IDENTIFIER_REJECTED = 2
    NOT_AUTHORISED = 5


@dataclass(frozen=True)
class Publish:
    """In both directions, and as the will of a CONNECT. `packet_id` is None where `qos` is 0, and in a will."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int | None = None
    retain: bool = False
    duplicate: bool = False

    def encode(self) -> bytes:
        """Raises OverflowError if the topic is above `MOST_TEXT_BYTES` in UTF-8."""
        topic = self.topic.encode()
        packet_id = b"" if self.packet_id is None else self.packet_id.to_bytes(2, "big")
        flags = self.duplicate << 3 | self.qos << 1 | self.retain
        return _packet(_Kind.PUBLISH, len(topic).to_bytes(2, "big") + topic + packet_id + self.payload, flags)


@dataclass(frozen=True)
class Connect:
    client_id: str
    username: str | None
    password: str | None = field(repr=False)
    clean_session: bool
    keep_alive_seconds: int
    """0: no limit to the client's silence."""
    will: Publish | None = None


@dataclass(frozen=True)
class PubAck:
    packet_id: int

    def encode(self) -> bytes:
        return _packet(_Kind.PUBACK, self.packet_id.to_bytes(2, "big"))


@dataclass(frozen=True)
class Subscribe:
    packet_id: int
    filters: tuple[tuple[str, int], ...]
    """Topic filter and the highest QoS that the client wants."""


@dataclass(frozen=True)
class Unsubscribe:
    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True)
class PingReq:
    pass


@dataclass(frozen=True)
class Disconnect:
    pass


Packet: TypeAlias = Connect | Publish | PubAck | Subscribe | Unsubscribe | PingReq | Disconnect


def connack(code: ConnectCode, *, session_present: bool = False) -> bytes:
    return _packet(_Kind.CONNACK, bytes((session_present, code)))


REFUSED_FILTER: Final = 0x80
"""In a SUBACK, in place of a granted QoS."""


def suback(packet_id: int, codes: list[int]) -> bytes:
    """`codes`: the granted QoS or `REFUSED_FILTER` for each requested filter."""
    return _packet(_Kind.SUBACK, packet_id.to_bytes(2, "big") + bytes(codes))


def unsuback(packet_id: int) -> bytes:
    return _packet(_Kind.UNSUBACK, packet_id.to_bytes(2, "big"))


def pingresp() -> bytes:
    return _packet(_Kind.PINGRESP, b"")


class PacketSplitter:
    """Splits a stream of bytes, in pieces of any size, into packets."""

    def __init__(self, largest: int) -> None:
        """`largest`: limit of a packet's bytes after its fixed header; the splitter holds no more."""
        self._largest = largest
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yields the packets that `data` completes; read them all. Raises MqttError after the last good one."""
        held = self._held
        held += data
        start = 0
        try:
            while (header := self._header(start)) is not None:
                body, end = header
                if end > len(held):
                    return
                first, start, content = held[start], end, bytes(held[body:end])
                yield _decode(first >> 4, first & 0x0F, content)
        finally:
            del held[:start]

    def _header(self, start: int) -> tuple[int, int] | None:
        """Returns where the body of the packet at `start` starts and ends; None if its size is incomplete (2.2.3)."""
        size = 0
        for index, byte in enumerate(self._held[start + 1 : start + 1 + _SIZE_BYTES]):
            size |= (byte & 0x7F) << 7 * index
            if not byte & 0x80:
                if size > self._largest:
                    raise MqttError(f"A packet of {size} bytes; {self._largest} are allowed.")
                body = start + 2 + index
                return body, body + size
        if len(self._held) > start + _SIZE_BYTES:
            raise MqttError(f"A packet's size has more than {_SIZE_BYTES} bytes.")
        return None


def _packet(kind: int, content: bytes, flags: int = 0) -> bytes:
    size = len(content)
    head = bytearray((kind << 4 | flags,))
    while size > 0x7F:
        head.append(0x80 | size & 0x7F)
        size >>= 7
    head.append(size)
    return bytes(head) + content


def _decode(kind: int, flags: int, content: bytes) -> Packet:
    if kind != _Kind.PUBLISH and flags != _FLAGS.get(kind):
        raise MqttError(f"A packet of type {kind} with flags {flags:#x} does not belong here.")
    fields = _Fields(content)
    packet: Packet
    match kind:
        case _Kind.CONNECT:
            packet = _connect(fields)
        case _Kind.PUBLISH:
            return _publish(flags, fields)
        case _Kind.PUBACK:
            packet = PubAck(fields.packet_id())
        case _Kind.SUBSCRIBE:
            packet = Subscribe(fields.packet_id(), tuple(_filters_with_qos(fields)))
        case _Kind.UNSUBSCRIBE:
            packet = Unsubscribe(fields.packet_id(), tuple(_filters(fields)))
        case _Kind.PINGREQ:
            packet = PingReq()
        case _:
            packet = Disconnect()
    fields.check_all_read()
    return packet


def _connect(fields: "_Fields") -> Connect:
    protocol = fields.text()
    if protocol != "MQTT":
        raise MqttError(f"The protocol {protocol[:20]!r} is not MQTT 3.1.1.")
    level = fields.byte()
    if level != _LEVEL_3_1_1:
        raise UnknownLevel(f"MQTT protocol level {level}; only {_LEVEL_3_1_1}, which is MQTT 3.1.1, is spoken here.")
    flags = fields.byte()
    keep_alive = fields.number()
    client_id = fields.text()
    will_qos = flags >> 3 & 3
    if flags & 0x01 or will_qos == 3 or (not flags & 0x04 and flags & 0x38) or flags & 0xC0 == 0x40:
        raise MqttError(f"The flags {flags:#04x} of a CONNECT contradict each other.")
    will = None
    if flags & 0x04:
        topic = _topic_name(fields)
        will = Publish(topic, fields.binary(), will_qos, retain=bool(flags & 0x20))
    return Connect(
        client_id=client_id,
        username=fields.text() if flags & 0x80 else None,
        # A password can be any bytes; bytes that are not text are a wrong password.
        password=fields.binary().decode(errors="replace") if flags & 0x40 else None,
        clean_session=bool(flags & 0x02),
        keep_alive_seconds=keep_alive,
        will=will,
    )


def _publish(flags: int, fields: "_Fields") -> Publish:
    qos = flags >> 1 & 3
    duplicate = bool(flags & 8)
    if qos == 3 or (duplicate and not qos):
        raise MqttError(f"The flags {flags:#x} of a PUBLISH contradict each other.")
    topic = _topic_name(fields)
    packet_id = fields.packet_id() if qos else None
    return Publish(topic, fields.rest(), qos, packet_id, bool(flags & 1), duplicate)


def _topic_name(fields: "_Fields") -> str:
    topic = fields.text()
    if not topic or "#" in topic or "+" in topic:
        raise MqttError(f"The topic {topic[:100]!r} to publish to is empty or has wildcards.")
    return topic


def _filters(fields: "_Fields") -> Iterator[str]:
    yield fields.topic_filter()
    while fields.left:
        yield fields.topic_filter()


def _filters_with_qos(fields: "_Fields") -> Iterator[tuple[str, int]]:
    for topic_filter in _filters(fields):
        qos = fields.byte()
        if qos > 2:
            raise MqttError(f"A subscription asks for QoS {qos}; there are 0, 1 and 2.")
        yield topic_filter, qos


class _Fields:
    """Reads a packet's content from front to back. Every method raises MqttError if the content ends too early."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._content) - self._position

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self._take(2), "big")

    def packet_id(self) -> int:
        number = self.number()
        if not number:
            raise MqttError("A packet identifier is 0.")
        return number

    def binary(self) -> bytes:
        return self._take(self.number())

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise MqttError("A text is not UTF-8.") from None
        if "\0" in text:
            raise MqttError("A text has the character U+0000 in it.")
        return text

    def topic_filter(self) -> str:
        text = self.text()
        if not text:
            raise MqttError("A topic filter is empty.")
        return text

    def rest(self) -> bytes:
        return self._take(self.left)

    def check_all_read(self) -> None:
        if self.left:
            raise MqttError(f"A packet has {self.left} bytes behind its last field.")

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise MqttError("A packet ends inside a field.")
        taken = self._content[self._position : self._position + size]
        self._position += size
        return taken
