"""One AMQP message of the Event Hub-compatible endpoint as an `Event`, whatever transport brought it."""

import base64
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingest.source.progress import Position

if TYPE_CHECKING:
    from azure.eventhub import EventData

RAW_PAYLOAD = b"x-ingest-raw-payload"
"""Annotation under which a transport leaves the undecoded message when its body is no AMQP data section."""

_DEVICE = b"iothub-connection-device-id"
_MODULE = b"iothub-connection-module-id"
_SEQUENCE = b"x-opt-sequence-number"
_OFFSET = b"x-opt-offset"
_ENQUEUED = b"x-opt-enqueued-time"
_LIFTED = frozenset((_DEVICE, _MODULE, _SEQUENCE, _OFFSET, _ENQUEUED, RAW_PAYLOAD))
# AMQP 1.0 part 3.2.4, without those that have a field of their own here.
_PROPERTIES = (
    ("user_id", "user-id"),
    ("to", "to"),
    ("subject", "subject"),
    ("reply_to", "reply-to"),
    ("absolute_expiry_time", "absolute-expiry-time"),
    ("creation_time", "creation-time"),
    ("group_id", "group-id"),
    ("group_sequence", "group-sequence"),
    ("reply_to_group_id", "reply-to-group-id"),
)


@dataclass(slots=True)
class Event:
    """One device-to-cloud message. Property values are JSON values: str, int, float, bool, None, list, dict."""

    sequence_number: int
    offset: str
    enqueued_ms: int
    """When the hub took it, Unix milliseconds."""
    body: bytes
    """The data sections joined; for a body of another kind the whole undecoded AMQP message."""
    body_kind: str = "data"
    """ "data", "value" or "sequence" (AMQP 1.0 part 3.2.6 to 3.2.8)."""
    device_id: str | None = None
    module_id: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    system_properties: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def position(self) -> Position:
        return Position(self.offset, self.sequence_number)


def from_sdk(data: "EventData") -> Event:
    """The event that azure-eventhub decoded. Raises ValueError when it lacks a position, which every stored event
    has."""
    message = data.raw_amqp_message
    annotations: Mapping[str | bytes, Any] = message.annotations or {}
    sequence, offset = annotations.get(_SEQUENCE), annotations.get(_OFFSET)
    if sequence is None or offset is None:
        raise ValueError("an event came without x-opt-sequence-number or x-opt-offset")
    body_kind: str = message.body_type.value
    system = {
        text(key): value if type(value) is int else plain(value)
        for key, value in annotations.items()
        if key not in _LIFTED
    }
    event = Event(
        sequence,
        text(offset),
        annotations.get(_ENQUEUED) or 0,
        _joined(message.body) if body_kind == "data" else annotations.get(RAW_PAYLOAD, b""),
        body_kind,
        text_or_none(annotations.get(_DEVICE)),
        text_or_none(annotations.get(_MODULE)),
        system_properties=system,
    )
    properties = message.properties
    if properties is not None:
        event.message_id = text_or_none(properties.message_id)
        event.correlation_id = text_or_none(properties.correlation_id)
        event.content_type = text_or_none(properties.content_type)
        event.content_encoding = text_or_none(properties.content_encoding)
        for attribute, name in _PROPERTIES:
            value = getattr(properties, attribute)
            if value is not None:
                system[name] = plain(value)
    if message.application_properties:
        event.properties = {text(key): plain(value) for key, value in message.application_properties.items()}
    return event


def _joined(sections: Iterable[bytes]) -> bytes:
    return b"".join(sections)


def text(value: Any) -> str:
    """An AMQP scalar as text; bytes that are not UTF-8 as base64."""
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    return str(value)


def text_or_none(value: Any) -> str | None:
    return None if value is None else text(value)


def plain(value: Any) -> Any:
    """An AMQP value as a JSON value.

    azure-eventhub gives strings, symbols and binaries alike as bytes and timestamps as int (milliseconds), so both
    transports agree on: bytes → text (base64 when not UTF-8), UUID and decimals → text, maps with text keys.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview | uuid.UUID | Decimal):
        return text(value)
    if isinstance(value, Mapping):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)
