"""Kafka record → Command, with a check of everything that can be wrong. Pure.

Source of the limits: "Create and read IoT Hub messages" and "Reference - IoT Hub quotas and throttling", Microsoft Learn.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from ingest.errors import Undeliverable
from ingest.hub import device_id as device_ids
from ingest.hub.limits import COMMAND_BYTES
from ingest.sink.commands.expiry import check_expiry, parse_expiry
from ingest.sink.commands.formats.contract import Format
from ingest.sink.commands.quoting import clip
from ingest.sink.commands.record_layout import JSON, Headers, RawCommand, read

Ack = Literal["none", "positive", "negative", "full"]
"""Which delivery feedback is requested from the hub."""

MAX_ID_LENGTH: Final = 128

ACKS: Final[dict[str, Ack]] = {
    "none": "none",
    "positive": "positive",
    "negative": "negative",
    "full": "full",
    # The words of the service SDKs, and of the connector that ingest replaces.
    "positiveonly": "positive",
    "negativeonly": "negative",
}
HUB_PREFIX: Final = "iothub-"
_EXPIRY_BYTES: Final = 8


class Origin(NamedTuple):
    """Where a command was read."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)  # not frozen, which would make each of thousands a second 2 µs dearer
class Command:
    """One message to one device; everything in it is valid for the hub. Nobody changes one."""

    device_id: str
    body: bytes
    message_id: str
    """The record's own, or made from its origin, so that a record that is read again after a crash gets the same id."""
    correlation_id: str | None
    content_type: str | None
    ack: Ack
    expiry_ms: int | None
    """Unix milliseconds; None: the hub's default time to live."""
    properties: dict[str, str]
    origin: Origin
    content_encoding: str | None = None
    passed_over: tuple[str, ...] = field(default=(), compare=False)
    """Other parts of the record, as `the key 'x'`: not part of the command."""

    _to: str = field(default="", init=False, repr=False, compare=False)
    _size: int = field(default=0, init=False, repr=False, compare=False)

    @property
    def to(self) -> str:
        """The address in the message's `to` property."""
        if not self._to:
            self._to = device_ids.devicebound(self.device_id)
        return self._to

    @property
    def size(self) -> int:
        """The bytes that the hub counts."""
        if self._size:
            return self._size
        texts = f"{self.to}{self.message_id}{self.ack}"
        texts += f"{self.correlation_id or ''}{self.content_type or ''}{self.content_encoding or ''}"
        if self.properties:
            texts += "".join(self.properties) + "".join(self.properties.values())
        size = len(self.body) + (0 if self.expiry_ms is None else _EXPIRY_BYTES)
        self._size = size + (len(texts) if texts.isascii() else len(texts.encode()))
        return self._size


def parse(
    value: bytes | None,
    headers: Headers | None,
    origin: Origin,
    *,
    now_ms: int,
    default_ack: Ack = "none",
    form: Format = JSON,
) -> Command | None:
    """Returns the command of one record; None for a tombstone, which is not a command. `now_ms` is in Unix
    milliseconds.

    Raises Undeliverable with the reason malformed, unknown_field, invalid_device_id, module_unsupported,
    invalid_property, invalid_expiry, too_large or expired. Texts and properties are refused only if they cannot be
    encoded, or would be orders to the hub: the hub judges the rest. Also raises what `form` raises.
    """
    if value is None:
        return None
    fields = read(value, headers or (), form)
    device_id = _device_id(fields.device_id)
    if fields.module_id is not None:
        raise Undeliverable(
            "module_unsupported",
            f"The command is for module {clip(fields.module_id)} of {clip(device_id)}, and commands go to devices only: "
            "without moduleId it goes to the device itself.",
        )
    command = Command(
        device_id=device_id,
        body=fields.body,
        # Feedback could not be matched to an empty one.
        message_id=_optional("messageId", fields.message_id) or message_id_for(origin),
        correlation_id=_optional("correlationId", fields.correlation_id),
        content_type=_symbol("contentType", fields.content_type),
        content_encoding=_symbol("contentEncoding", fields.content_encoding),
        ack=default_ack if fields.ack is None else _ack(fields.ack),
        expiry_ms=None if fields.expiry is None else parse_expiry(fields.expiry),
        properties=_properties(fields),
        origin=origin,
        passed_over=fields.passed_over,
    )
    if (size := command.size) > COMMAND_BYTES:
        raise Undeliverable(
            "too_large",
            f"The message to {clip(command.device_id)} has {size} bytes with its properties: "
            f"IoT Hub takes {COMMAND_BYTES} at most.",
        )
    check_expiry(command.expiry_ms, now_ms)
    return command


def message_id_for(origin: Origin) -> str:
    """Returns a message id that is the same whenever the record is read, and unique among the cluster's records."""
    topic = origin.topic
    place = f"-{origin.partition}-{origin.offset}"
    if len(topic) + len(place) > MAX_ID_LENGTH:
        topic = hashlib.sha256(topic.encode()).hexdigest()
    return topic + place


def _device_id(value: object) -> str:
    if value is None:
        raise Undeliverable("invalid_device_id", "The record has no deviceId: write the id of the device as a string.")
    if not isinstance(value, str):
        raise Undeliverable("invalid_device_id", f"deviceId is {clip(value)}, which is no string: write it in quotes.")
    if len(value) > device_ids.MAX_LENGTH:
        raise Undeliverable(
            "invalid_device_id",
            f"deviceId {clip(value)} has {len(value)} characters: {device_ids.MAX_LENGTH} are allowed.",
        )
    if not device_ids.is_legal(value):
        raise Undeliverable("invalid_device_id", f"deviceId {clip(value)} is not legal: use {device_ids.ALLOWED} only.")
    return value


def _optional(key: str, value: object) -> str | None:
    return None if value is None else _text(key, value)


def _symbol(key: str, value: object) -> str | None:
    """Returns a symbol: AMQP requires one here, in ASCII."""
    text = _optional(key, value)
    if text is not None and not text.isascii():
        raise Undeliverable("invalid_property", f"{key} {clip(text)} is not ASCII, and AMQP carries no other.")
    return text


def _text(what: str, value: object) -> str:
    """Returns a text that the AMQP client sends unchanged."""
    if not isinstance(value, str):
        raise Undeliverable("invalid_property", f"{what} is {clip(value)}, which is no string: write it in quotes.")
    if "\0" in value:
        raise Undeliverable(
            "invalid_property", f"{what} {clip(value)} has a NUL, at which the AMQP client cuts it off."
        )
    try:
        if not value.isascii():
            value.encode()
    except UnicodeEncodeError:
        raise Undeliverable(
            "invalid_property",
            f"{what} {clip(value)} has one half of a surrogate pair, which is no text: write both halves.",
        ) from None
    return value


def _ack(value: object) -> Ack:
    ack = ACKS.get(value.lower()) if isinstance(value, str) else None
    if ack is None:
        raise Undeliverable(
            "invalid_property", f"ack {clip(value)} is not known: write none, positive, negative or full."
        )
    return ack


def _properties(fields: RawCommand) -> dict[str, str]:
    properties = fields.properties
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise Undeliverable(
            "invalid_property",
            f"properties is {clip(properties)}: write an object with strings, numbers, true or false.",
        )
    checked: dict[str, str] = {}
    for name, value in properties.items():
        _text("The property name", name)
        if name.lower().startswith(HUB_PREFIX):
            raise Undeliverable(
                "invalid_property",
                f"The property name {clip(name)} is the hub's own, which would change what it does: do not begin it "
                f"with {HUB_PREFIX}.",
            )
        checked[name] = _text(f"The property {clip(name)}", value)
    return checked
