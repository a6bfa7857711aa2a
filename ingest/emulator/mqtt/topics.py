"""Messages of devices and commands as IoT Hub publishes them: properties are URL-encoded at the topic's end. Pure.

Source: "Communicate with an IoT hub using the MQTT protocol", Microsoft Learn; the encoding as in Microsoft's own
device SDKs: %20 is a blank, a plus sign is a plus sign.
"""

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from ingest.emulator.c2d.message import ACK, Command
from ingest.emulator.mqtt.packets import Publish
from ingest.hub.limits import EVENT_BYTES

HIGHEST_QOS = 1
"""That IoT Hub grants and takes."""
_SYSTEM = {"$.mid": "message_id", "$.cid": "correlation_id", "$.ct": "content_type", "$.ce": "content_encoding"}
_NOT_KEPT = frozenset(("$.to", "$.uid", "$.exp", "$.ifid", "$.on"))
"""System properties of telemetry for which an event has no place in the emulator."""
_HARMLESS = ("$iothub/methods/", "$iothub/twin/", "$iothub/streams/", "$iothub/commands/")
_METHOD_ANSWER = "$iothub/methods/res/"


class Telemetry(NamedTuple):
    """A device's message as the hub takes it."""

    body: bytes
    properties: dict[str, object]
    """Text, or None for a name without an equals sign."""
    system: dict[str, str | None]
    """`message_id`, `correlation_id`, `content_type`, `content_encoding`: all of them, None where not given."""


class NotTelemetry(Exception):
    """The device may not publish this. `str()` is a sentence."""


def commands_filter(device_id: str) -> str:
    """What a device subscribes to for its commands."""
    return f"devices/{device_id}/messages/devicebound/#"


def is_harmless(topic_filter: str) -> bool:
    """Whether clients subscribe to it as a matter of course, although the emulator hardly ever publishes there."""
    return topic_filter.startswith(_HARMLESS)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription takes what is published on `topic` (MQTT 3.1.1 part 4.7)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(one in ("+", other) for one, other in zip(wanted, levels, strict=True))


def is_method_answer(topic: str) -> bool:
    """Whether a device publishes there what came of a direct method. Nobody calls one here."""
    return topic.startswith(_METHOD_ANSWER)


def telemetry(device_id: str, packet: Publish) -> Telemetry:
    """What `device_id` publishes. Raises NotTelemetry."""
    if packet.qos > HIGHEST_QOS:
        raise NotTelemetry(f"QoS {packet.qos}; IoT Hub takes 0 and 1.")
    head = f"devices/{device_id}/messages/events"
    if packet.topic != head and not packet.topic.startswith(head + "/"):
        raise NotTelemetry(f"The topic is {packet.topic[:200]!r}; the device's own is {head}/.")
    try:
        properties, system = _read_bag(packet.topic[len(head) + 1 :])
    except UnicodeDecodeError:
        raise NotTelemetry(f"The properties in {packet.topic[:200]!r} are not URL-encoded UTF-8.") from None
    if packet.retain:
        properties["mqtt-retain"] = "true"
    texts = [*system.values(), *properties, *properties.values()]
    size = len(packet.payload) + sum(len(str(text).encode()) for text in texts if text)
    if size > EVENT_BYTES:
        raise NotTelemetry(f"A message of {size} bytes, properties counted; {EVENT_BYTES} are allowed.")
    return Telemetry(packet.payload, properties, system)


def _read_bag(bag: str) -> tuple[dict[str, object], dict[str, str | None]]:
    properties: dict[str, object] = {}
    system: dict[str, str | None] = dict.fromkeys(_SYSTEM.values())
    for pair in bag.split("&"):
        encoded_name, equals, encoded_value = pair.partition("=")
        name = unquote(encoded_name, errors="strict")
        value = unquote(encoded_value, errors="strict") if equals else None
        if name in _SYSTEM:
            system[_SYSTEM[name]] = value
        elif name and name not in _NOT_KEPT:
            properties[name] = value
    return properties, system


def command_topic(command: Command) -> str:
    """Where a command is published to: system properties first. ASCII."""
    expiry = command.expiry_ms
    system = {
        "$.mid": command.message_id,
        "$.to": command.to,
        "$.cid": command.correlation_id,
        "$.uid": command.user_id,
        "$.ct": command.content_type,
        "$.ce": command.content_encoding,
        "$.exp": None if expiry is None else _rfc3339(expiry),
        ACK: None if command.ack == "none" else command.ack,
    }
    pairs = [_pair(name, value) for name, value in system.items() if value is not None]
    pairs += [_pair(name, value) for name, value in command.properties.items()]
    return f"devices/{command.device_id}/messages/devicebound/{'&'.join(pairs)}"


def _pair(name: str, value: object) -> str:
    if value is None:
        return quote(name, safe="")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{quote(name, safe='')}={quote(text, safe='')}"


def _rfc3339(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
