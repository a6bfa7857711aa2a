"""Messages: sections → bytes, and back (AMQP 1.0 part 3.2)."""

from dataclasses import dataclass, field
from typing import Any, cast

from ingest.amqp.composites import (
    BINARY,
    BOOLEAN,
    MESSAGE_ID,
    STRING,
    SYMBOL,
    TIMESTAMP,
    UBYTE,
    UINT,
    Composite,
)
from ingest.amqp.decoding import decode
from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Buffer, Described, Symbol

DELIVERY_ANNOTATIONS = 0x71
MESSAGE_ANNOTATIONS = 0x72
APPLICATION_PROPERTIES = 0x74
DATA = 0x75
SEQUENCE = 0x76
VALUE = 0x77
FOOTER = 0x78

_CODES = {
    "amqp:header:list": 0x70,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": 0x73,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}
"""A section's descriptor can be its name."""


@dataclass(kw_only=True)
class Header(Composite):
    """header, part 3.2.1. `ttl` is in milliseconds."""

    CODE = 0x70
    durable: bool | None = field(default=None, metadata=BOOLEAN)
    priority: int | None = field(default=None, metadata=UBYTE)
    ttl: int | None = field(default=None, metadata=UINT)
    first_acquirer: bool | None = field(default=None, metadata=BOOLEAN)
    delivery_count: int | None = field(default=None, metadata=UINT)


@dataclass(kw_only=True)
class Properties(Composite):
    """properties, part 3.2.4. Times are milliseconds since 1970."""

    CODE = 0x73
    message_id: Any = field(default=None, metadata=MESSAGE_ID)
    user_id: bytes | None = field(default=None, metadata=BINARY)
    to: str | None = field(default=None, metadata=STRING)
    subject: str | None = field(default=None, metadata=STRING)
    reply_to: str | None = field(default=None, metadata=STRING)
    correlation_id: Any = field(default=None, metadata=MESSAGE_ID)
    content_type: str | None = field(default=None, metadata=SYMBOL)
    content_encoding: str | None = field(default=None, metadata=SYMBOL)
    absolute_expiry_time: int | None = field(default=None, metadata=TIMESTAMP)
    creation_time: int | None = field(default=None, metadata=TIMESTAMP)
    group_id: str | None = field(default=None, metadata=STRING)
    group_sequence: int | None = field(default=None, metadata=UINT)
    reply_to_group_id: str | None = field(default=None, metadata=STRING)


@dataclass(frozen=True)
class Data:
    """Body of one or more data sections."""

    parts: tuple[bytes, ...]


@dataclass(frozen=True)
class Sequence:
    """Body of one or more amqp-sequence sections."""

    parts: tuple[list[Any], ...]


@dataclass(frozen=True)
class Value:
    """Body of one amqp-value section."""

    value: Any


@dataclass(kw_only=True)
class Message:
    """One bare message with its annotations; `None` for a section that is absent."""

    header: Header | None = None
    delivery_annotations: dict[Any, Any] | None = None
    message_annotations: dict[Any, Any] | None = None
    properties: Properties | None = None
    application_properties: dict[Any, Any] | None = None
    body: Data | Sequence | Value | None = None
    footer: dict[Any, Any] | None = None

    def encode(self) -> bytes:
        """Returns all sections in the order of part 3.2. Raises AmqpError if AMQP cannot carry a value."""
        return b"".join(
            (
                self.header.encode() if self.header else b"",
                _annotations(DELIVERY_ANNOTATIONS, self.delivery_annotations),
                _annotations(MESSAGE_ANNOTATIONS, self.message_annotations),
                self.properties.encode() if self.properties else b"",
                _map(APPLICATION_PROPERTIES, self.application_properties),
                encode_body(self.body),
                _annotations(FOOTER, self.footer),
            )
        )


def section(code: int, encoded: bytes) -> bytes:
    """Returns a message section around an encoded value."""
    return bytes((0x00, 0x53, code)) + encoded


def _map(code: int, values: dict[Any, Any] | None) -> bytes:
    return b"" if values is None else section(code, encode(dict(values)))


def _annotations(code: int, values: dict[Any, Any] | None) -> bytes:
    if values is None:
        return b""
    return _map(code, {Symbol(key) if isinstance(key, str) else key: value for key, value in values.items()})


def encode_body(body: Data | Sequence | Value | None) -> bytes:
    match body:
        case Data(parts):
            return b"".join(section(DATA, encode(part)) for part in parts)
        case Sequence(rows):
            return b"".join(section(SEQUENCE, encode(row)) for row in rows)
        case Value(value):
            return section(VALUE, encode(value))
        case None:
            return b""


def decode_message(buf: Buffer, pos: int = 0) -> Message:
    """Decodes the message that fills `buf` from `pos` to its end. Raises AmqpError."""
    message = Message()
    while pos < len(buf):
        item, pos = decode(buf, pos)
        if not isinstance(item, Described):
            raise AmqpError(f"The message section that ends at byte {pos} has no descriptor.")
        code = item.descriptor
        _add(message, _CODES.get(code, code) if isinstance(code, str) else code, item.value)
    return message


def _add(message: Message, code: object, value: Any) -> None:
    match code, value:
        case Header.CODE, _:
            message.header = Header.from_list(value)
        case Properties.CODE, _:
            message.properties = Properties.from_list(value)
        case 0x71, dict():
            message.delivery_annotations = value
        case 0x72, dict():
            message.message_annotations = value
        case 0x74, dict():
            message.application_properties = value
        case 0x78, dict():
            message.footer = value
        case 0x75, bytes():
            message.body = Data((*_parts(message, Data), value))
        case 0x76, list():
            message.body = Sequence((*_parts(message, Sequence), value))
        case 0x77, _ if message.body is None:
            message.body = Value(value)
        case _:
            raise AmqpError(f"A message section {code!r:.40} with a {type(value).__name__} does not belong here.")


def _parts(message: Message, kind: type[Data] | type[Sequence]) -> tuple[Any, ...]:
    if message.body is None:
        return ()
    if not isinstance(message.body, kind):
        raise AmqpError("A message has body sections of more than one type.")
    return cast("tuple[Any, ...]", message.body.parts)
