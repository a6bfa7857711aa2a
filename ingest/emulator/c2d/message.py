"""A cloud-to-device message: from the service's AMQP message to what a device receives. Pure.

Source: "Create and read IoT Hub messages" and "Send cloud-to-device messages from an IoT hub", Microsoft Learn.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ingest.amqp.message import Data, Message, Properties, Value
from ingest.emulator import conditions
from ingest.emulator.conditions import Condition
from ingest.emulator.errors import Rejected
from ingest.hub.limits import COMMAND_BYTES

"""Body, values of system properties, and names and values of the sender's properties, together."""
ACK = "iothub-ack"
ACKS = ("none", "positive", "negative", "full")
_TO = re.compile(r"/devices/(?P<device_id>[^/]+)/messages/devicebound/?", re.IGNORECASE)
_EXPIRY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Command:
    """One message to one device."""

    device_id: str
    body: bytes
    message_id: str | None
    correlation_id: str | None
    content_type: str | None
    content_encoding: str | None
    user_id: str | None
    ack: str
    """Which delivery feedback the sender wants: none, positive, negative or full."""
    expiry_ms: int | None
    """Milliseconds since 1970; None: the hub's default time to live."""
    properties: dict[str, Any]
    """The sender's own, without `iothub-ack`."""
    to: str
    size: int
    """Bytes that count against `COMMAND_BYTES`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A command in the hands of its device, to be completed, rejected or abandoned while the lock holds."""

    command: Command
    lock_token: str
    sequence_number: int
    """Per device, from 1."""
    delivery_count: int
    """How often the device has abandoned it."""
    enqueued_ms: int
    expires_ms: int

    @property
    def device_id(self) -> str:
        return self.command.device_id

    @property
    def message_id(self) -> str | None:
        return self.command.message_id

    @property
    def body(self) -> bytes:
        return self.command.body

    @property
    def properties(self) -> dict[str, Any]:
        return self.command.properties


class BadMessage(Rejected):
    """The hub rejects the message."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        super().__init__(condition.text)


def device_of(message: Message) -> str | None:
    """The device that a message is for; None if its `to` names none."""
    found = _TO.fullmatch((message.properties and message.properties.to) or "")
    return None if found is None else unquote(found["device_id"])


def parse(message: Message) -> Command:
    """Raises BadMessage."""
    system = message.properties or Properties()
    device_id = device_of(message)
    if device_id is None:
        raise BadMessage(conditions.bad_message(f"'to' is {system.to!r:.200}, not /devices/<id>/messages/devicebound."))
    own = {str(name): value for name, value in (message.application_properties or {}).items()}
    ack = own.pop(ACK, "none")
    if ack not in ACKS:
        raise BadMessage(conditions.bad_message(f"{ACK} is {ack!r:.100}, not one of {', '.join(ACKS)}."))
    body = _body(message)
    texts = [_text(each) for each in (system.message_id, system.correlation_id)]
    texts += [system.content_type, system.content_encoding, system.to, _text(system.user_id)]
    size = len(body) + sum(len(text.encode()) for text in texts if text)
    size += len(ack) + (_EXPIRY_BYTES if system.absolute_expiry_time is not None else 0)
    size += sum(len(name.encode()) + len((_text(value) or "").encode()) for name, value in own.items())
    if size > COMMAND_BYTES:
        raise BadMessage(conditions.message_too_large(size, COMMAND_BYTES))
    return Command(
        device_id=device_id,
        body=body,
        message_id=texts[0],
        correlation_id=texts[1],
        content_type=system.content_type,
        content_encoding=system.content_encoding,
        user_id=texts[5],
        ack=ack,
        expiry_ms=system.absolute_expiry_time,
        properties=own,
        to=system.to or "",
        size=size,
    )


def _body(message: Message) -> bytes:
    match message.body:
        case Data(parts):
            return b"".join(parts)
        case Value(bytes() as value):
            return value
        case Value(str() as value):
            return value.encode()
        case None:
            return b""
    raise BadMessage(conditions.bad_message("The body is neither data nor an AMQP value of text or bytes."))


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
