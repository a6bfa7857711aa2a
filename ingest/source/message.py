"""One AMQP message → `Event`, whatever the message looks like. The hot path goes through `ingest.source.shapes`; what is
unusual comes here."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Described
from ingest.source.event import HUB_TIME, Event, Labels, Origin, plain, text, text_or_none

# Codes of message sections, AMQP 1.0 part 3.2.
DELIVERY_ANNOTATIONS = 0x71
ANNOTATIONS, PROPERTIES, APPLICATION = 0x72, 0x73, 0x74
_BODY_KINDS = {0x76: "sequence", 0x77: "value"}

DEVICE = b"iothub-connection-device-id"
MODULE = b"iothub-connection-module-id"
SEQUENCE_NUMBER = b"x-opt-sequence-number"
OFFSET = b"x-opt-offset"
ENQUEUED = b"x-opt-enqueued-time"
_NEWEST = b"last_enqueued_sequence_number"
_LIFTED = frozenset((DEVICE, MODULE, SEQUENCE_NUMBER, OFFSET, ENQUEUED))

# AMQP 1.0 part 3.2.4, by their places in the list.
_MESSAGE_ID, _CORRELATION_ID, _CONTENT_TYPE, _CONTENT_ENCODING = 0, 5, 6, 7
_NAMES = {
    1: "user-id",
    2: "to",
    3: "subject",
    4: "reply-to",
    8: "absolute-expiry-time",
    9: "creation-time",
    10: "group-id",
    11: "group-sequence",
    12: "reply-to-group-id",
}


class Sections(NamedTuple):
    """A message's sections, text as bytes."""

    annotations: Mapping[Any, Any]
    properties: Sequence[Any]
    application: Mapping[Any, Any]
    data: Sequence[bytes]
    body_kind: str


def event_of(payload: bytes) -> Event:
    """The event of one whole message. Raises AmqpError when not even its position can be read."""
    annotations, properties, application, data, kind = sections(payload)
    return assemble(annotations, properties, application, b"".join(data) if kind == "data" else payload, kind)


def sections(payload: bytes) -> Sections:
    """What the message is made of. When something behind its annotations is no AMQP, those alone, and "malformed".

    Raises AmqpError when not even the annotations can be read.
    """
    annotations: Mapping[Any, Any] = {}
    properties: Sequence[Any] = ()
    application: Mapping[Any, Any] = {}
    data: list[bytes] = []
    kind = "data"
    at = 0
    try:
        while at < len(payload):
            code, value, at = _section(payload, at)
            match code, value:
                case 0x70 | 0x71 | 0x78, _:  # header, delivery annotations, footer
                    pass
                case 0x72, dict():
                    annotations = value
                case 0x73, list():
                    properties = value
                case 0x74, dict():
                    application = value
                case 0x75, bytes():
                    data.append(value)
                case 0x77, _ if plain(value) is None:
                    pass  # how JMS clients send no body at all
                case 0x76 | 0x77, _:
                    kind = _BODY_KINDS[code]
                case _:
                    raise AmqpError(
                        f"A message section 0x{code:02x} with a {type(value).__name__} does not belong here."
                    )
    except AmqpError:
        if not annotations:
            raise
        # Its place is known, so that it can become a dead letter and the next one goes on.
        return Sections(annotations, (), {}, (), "malformed")
    return Sections(annotations, properties, application, data, kind)


def _section(payload: bytes, at: int) -> tuple[int, Any, int]:
    section, end = decode_as_bytes(payload, at)
    if not isinstance(section, Described) or type(section.descriptor) is not int:
        raise AmqpError(f"The message section that ends at byte {end} has no numeric descriptor.")
    return section.descriptor, section.value, end


def assemble(
    annotations: Mapping[Any, Any],
    properties: Sequence[Any],
    application: Mapping[Any, Any],
    body: bytes,
    body_kind: str,
) -> Event:
    """An event from decoded sections, text as bytes. Raises AmqpError when it lacks a position, which every stored event
    has."""
    sequence, offset = annotations.get(SEQUENCE_NUMBER), annotations.get(OFFSET)
    enqueued = annotations.get(ENQUEUED) or 0
    if not isinstance(sequence, int) or offset is None or not isinstance(enqueued, int):
        raise AmqpError("An event came without x-opt-sequence-number or x-opt-offset.")
    origin, hub_ms = origin_of(annotations)
    message_id = text_or_none(properties[_MESSAGE_ID]) if properties else None
    labels = labels_of(properties, application)
    return Event(sequence, text(offset), enqueued, body, body_kind, hub_ms, message_id, origin, labels)


def origin_of(annotations: Mapping[Any, Any]) -> tuple[Origin, int | None]:
    """What annotations say of the sender, and the hub's time among them."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    hub_ms: int | None = None
    current = before
    for key, value in annotations.items():
        if key in _LIFTED:
            continue
        name = text(key)
        if name == HUB_TIME and isinstance(value, int):
            hub_ms, current = int(value), after
        else:
            current[name] = plain(value)
    if hub_ms is None:
        before, after = after, before
    device, module = text_or_none(annotations.get(DEVICE)), text_or_none(annotations.get(MODULE))
    return Origin(device, module, before, after), hub_ms


def labels_of(properties: Sequence[Any], application: Mapping[Any, Any]) -> Labels:
    """What the sections `properties` (a list, fields at its end may be missing) and `application-properties` say, but for
    the message id."""
    fields = [*properties, *[None] * (13 - len(properties))]
    return Labels(
        text_or_none(fields[_CORRELATION_ID]),
        text_or_none(fields[_CONTENT_TYPE]),
        text_or_none(fields[_CONTENT_ENCODING]),
        {name: plain(fields[place]) for place, name in _NAMES.items() if fields[place] is not None},
        {text(key): plain(value) for key, value in application.items()},
    )


def newest_of(payload: bytes) -> int | None:
    """Sequence number of the newest event in the hub, which it tells in the delivery annotations of every message.

    None when the message has none, or none that can be read.
    """
    try:
        code, value, _ = _section(payload, 0)
    except AmqpError:
        return None
    newest = value.get(_NEWEST) if code == DELIVERY_ANNOTATIONS and isinstance(value, dict) else None
    return newest if isinstance(newest, int) else None
