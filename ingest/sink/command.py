"""Kafka record → Command, with every way it can be wrong. Pure.

Source of the limits: "Create and read IoT Hub messages" and "Reference - IoT Hub quotas and throttling", Microsoft Learn.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from ingest import device_id as device_ids
from ingest.errors import Undeliverable
from ingest.sink.clip import clip
from ingest.sink.expiry import check_expiry, parse_expiry
from ingest.sink.fields import Fields, Headers, from_headers, from_json

Ack = Literal["none", "positive", "negative", "full"]
"""Which delivery feedback the hub is asked for."""

MAX_BYTES: Final = 64 * 1024
"""Body, values of system properties, and names and values of the sender's properties, together."""
MAX_ID_LENGTH: Final = 128

_ACKS: Final[dict[object, Ack]] = {"none": "none", "positive": "positive", "negative": "negative", "full": "full"}
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]{1,128}")
_PROPERTY_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+", re.ASCII)
_PROPERTY_VALUE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]*", re.ASCII)
_PROPERTY_CHARACTERS: Final = "ASCII letters, digits and ! # $ % & ' * + - . ^ _ ` | ~"
_HUB_PREFIX: Final = "iothub-"
_EXPIRY_BYTES: Final = 8


class Origin(NamedTuple):
    """Where a command was read."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Command:
    """One message to one device; everything in it is fit for the hub."""

    device_id: str
    body: bytes
    message_id: str
    """The record's own, or made from its origin, so that a record that is read again after a crash has the same."""
    correlation_id: str | None
    content_type: str | None
    ack: Ack
    expiry_ms: int | None
    """Unix milliseconds; None: the hub's default time to live."""
    properties: dict[str, str]
    origin: Origin

    @property
    def to(self) -> str:
        """The address in the message's `to` property."""
        return f"/devices/{self.device_id}/messages/devicebound"

    @property
    def size(self) -> int:
        """Bytes that the hub counts."""
        size = len(self.body) + len(self.to) + len(self.message_id) + len(self.ack)
        size += len(self.correlation_id or "") + len(self.content_type or "")
        size += 0 if self.expiry_ms is None else _EXPIRY_BYTES
        return size + sum(len(name) + len(value) for name, value in self.properties.items())


def parse(
    value: bytes | None, headers: Headers | None, origin: Origin, *, now_ms: int, default_ack: Ack = "none"
) -> Command | None:
    """One record of a command topic; None for a tombstone, which is no command. `now_ms` is in Unix milliseconds.

    Raises Undeliverable with the reason malformed, invalid_device_id, invalid_property, invalid_expiry, too_large or
    expired.
    """
    if value is None:
        return None
    fields = (from_headers(value, headers) if headers else None) or from_json(value)
    message_id = fields.message_id
    command = Command(
        device_id=_device_id(fields.device_id),
        body=fields.body,
        message_id=message_id_for(origin) if message_id is None else _message_id(message_id),
        correlation_id=_printable("correlationId", fields.correlation_id),
        content_type=_printable("contentType", fields.content_type),
        ack=default_ack if fields.ack is None else _ack(fields.ack),
        expiry_ms=None if fields.expiry is None else parse_expiry(fields.expiry),
        properties=_properties(fields),
        origin=origin,
    )
    if (size := command.size) > MAX_BYTES:
        raise Undeliverable(
            "too_large",
            f"The message to {clip(command.device_id)} has {size} bytes with its properties: "
            f"IoT Hub takes {MAX_BYTES} at most.",
        )
    check_expiry(command.expiry_ms, now_ms)
    return command


def message_id_for(origin: Origin) -> str:
    """A message id that is the same whenever the record is read, and another for every other record of the cluster."""
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


def _message_id(value: object) -> str:
    if not isinstance(value, str) or not _MESSAGE_ID.fullmatch(value):
        raise Undeliverable(
            "invalid_property",
            f"messageId {clip(value)} is not legal: write a string of 1 to {MAX_ID_LENGTH} ASCII letters, digits and "
            "- : . + % _ # * ? ! ( ) , = @ ; $ '.",
        )
    return value


def _printable(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise Undeliverable(
            "invalid_property",
            f"{key} {clip(value)} is not legal: write a string of 1 to {MAX_ID_LENGTH} printable ASCII characters.",
        )
    return value


def _ack(value: object) -> Ack:
    ack = _ACKS.get(value) if isinstance(value, str) else None
    if ack is None:
        raise Undeliverable(
            "invalid_property", f"ack {clip(value)} is not known: write one of {', '.join(_ACKS.values())}."
        )
    return ack


def _properties(fields: Fields) -> dict[str, str]:
    properties = fields.properties
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise Undeliverable(
            "invalid_property", f"properties is {clip(properties)}: write an object with string values."
        )
    for name, value in properties.items():
        if not _PROPERTY_NAME.fullmatch(name):
            raise Undeliverable(
                "invalid_property", f"The property name {clip(name)} is not legal: use {_PROPERTY_CHARACTERS} only."
            )
        if name.lower().startswith(_HUB_PREFIX):
            raise Undeliverable(
                "invalid_property",
                f"The property name {clip(name)} is the hub's own: do not begin it with {_HUB_PREFIX}.",
            )
        if not isinstance(value, str):
            raise Undeliverable(
                "invalid_property", f"The property {clip(name)} = {clip(value)} is no string: write it in quotes."
            )
        if not _PROPERTY_VALUE.fullmatch(value):
            raise Undeliverable(
                "invalid_property",
                f"The property {clip(name)} = {clip(value)} is not legal: use {_PROPERTY_CHARACTERS} only.",
            )
    return properties
