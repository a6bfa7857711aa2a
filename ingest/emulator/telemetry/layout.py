"""How IoT Hub encodes telemetry as an AMQP message on its Event Hub-compatible endpoint.

The order and types of the annotations are those of a real hub: see "Read device-to-cloud messages from the built-in
endpoint", Microsoft Learn, and samples of `EventData.system_properties` published for IoT Plug and Play.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace

from ingest.amqp.encoding import encode, encode_map
from ingest.amqp.message import (
    APPLICATION_PROPERTIES,
    DATA,
    MESSAGE_ANNOTATIONS,
    Message,
    Properties,
    section,
)
from ingest.amqp.types import Symbol, Timestamp

AUTH_METHOD = json.dumps(
    {"scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None}, separators=(",", ":")
)
GATEWAY_MS = 3
"""From `iothub-enqueuedtime`, set where the device's message comes in, to the time at which the partition takes it."""

_ENQUEUED_AT_HUB = encode(Symbol("iothub-enqueuedtime"))
_TELEMETRY = encode(Symbol("iothub-message-source")) + encode("Telemetry")
_SEQUENCE = encode(Symbol("x-opt-sequence-number"))
_OFFSET = encode(Symbol("x-opt-offset"))
_ENQUEUED = encode(Symbol("x-opt-enqueued-time"))
_LONG = struct.Struct(">Bq").pack
_MAP8 = struct.Struct(">BBBBBB").pack
_MAP32 = struct.Struct(">BBBBII").pack


def generation_id(device_id: str) -> str:
    """Returns the value that distinguishes a device from an earlier one of the same id; here constant for an id."""
    return str(637_000_000_000_000_000 + zlib.crc32(device_id.encode()))


def device_annotations(device_id: str, module_id: str | None) -> tuple[int, bytes]:
    """Returns the annotations that all events of a device share: their number, and the encoded keys and values."""
    pairs = {"iothub-connection-device-id": device_id}
    if module_id is not None:
        pairs["iothub-connection-module-id"] = module_id
    pairs["iothub-connection-auth-method"] = AUTH_METHOD
    pairs["iothub-connection-auth-generation-id"] = generation_id(device_id)
    return len(pairs), b"".join(encode(Symbol(key)) + encode(value) for key, value in pairs.items())


def telemetry(device: tuple[int, bytes], sections: bytes, sequence: int, offset: int, time_ms: int) -> bytes:
    """Returns the whole message: the device's annotations, the hub's, and the `sections` that the device sent."""
    count, pairs = device
    digits = b"%d" % offset
    pairs = b"".join(
        (
            pairs,
            _ENQUEUED_AT_HUB,
            _LONG(0x83, time_ms - GATEWAY_MS),
            _TELEMETRY,
            _SEQUENCE,
            _LONG(0x81, sequence),
            _OFFSET,
            b"\xa1%c" % len(digits),
            digits,
            _ENQUEUED,
            _LONG(0x83, time_ms),
        )
    )
    items = 2 * (count + 5)
    if len(pairs) < 255:
        return _MAP8(0, 0x53, MESSAGE_ANNOTATIONS, 0xC1, len(pairs) + 1, items) + pairs + sections
    return _MAP32(0, 0x53, MESSAGE_ANNOTATIONS, 0xD1, len(pairs) + 4, items) + pairs + sections


def device_sections(body: bytes, properties: Mapping[str, object], system: Properties | None) -> bytes:
    """Returns what the device sent: system properties, its own properties and the body as one data section.

    Raises AmqpError if AMQP cannot carry a property value.
    """
    parts = [system.encode()] if system is not None else []
    if properties:
        pairs = [encode(half) for pair in properties.items() for half in pair]
        parts.append(section(APPLICATION_PROPERTIES, encode_map(pairs)))
    parts.append(section(DATA, encode(body)))
    return b"".join(parts)


def odd_event(message: Message | bytes, sequence: int, offset: int, time_ms: int) -> bytes:
    """Returns a message as given, plus the three annotations that every event has.

    Bytes follow the annotations unchanged and unchecked.
    """
    own = (message.message_annotations or {}) if isinstance(message, Message) else {}
    annotations = {
        **own,
        "x-opt-sequence-number": sequence,
        "x-opt-offset": str(offset),
        "x-opt-enqueued-time": Timestamp(time_ms),
    }
    if isinstance(message, Message):
        return replace(message, message_annotations=annotations).encode()
    return Message(message_annotations=annotations).encode() + message
