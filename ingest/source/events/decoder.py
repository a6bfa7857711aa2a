"""One AMQP message → `Event`, whatever the message looks like. Usual messages go through
`ingest.source.events.template_decoder`; unusual ones come here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Binary, Described, Pairs, Timestamp
from ingest.source.events.event import (
    AMQP_SECTIONS,
    AMQP_SEQUENCE,
    AMQP_VALUE,
    DATA,
    HUB_TIME,
    MALFORMED,
    Event,
    Labels,
    Origin,
)
from ingest.source.events.values import again, aside, is_text, json_of, label, name_of, plain, text_or_none

# Codes of message sections, AMQP 1.0 part 3.2.
DELIVERY_ANNOTATIONS = 0x71
ANNOTATIONS, PROPERTIES, APPLICATION = 0x72, 0x73, 0x74
_DATA, _SEQUENCE, _VALUE = 0x75, 0x76, 0x77
_CODES = {
    b"amqp:header:list": 0x70,
    b"amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    b"amqp:message-annotations:map": ANNOTATIONS,
    b"amqp:properties:list": PROPERTIES,
    b"amqp:application-properties:map": APPLICATION,
    b"amqp:data:binary": _DATA,
    b"amqp:amqp-sequence:list": _SEQUENCE,
    b"amqp:amqp-value:*": _VALUE,
    b"amqp:footer:map": 0x78,
}
"""A section's descriptor can also be its name; the hub passes on what a sender has written."""

DEVICE = b"iothub-connection-device-id"
MODULE = b"iothub-connection-module-id"
SEQUENCE_NUMBER = b"x-opt-sequence-number"
OFFSET = b"x-opt-offset"
ENQUEUED = b"x-opt-enqueued-time"
_NEWEST = b"last_enqueued_sequence_number"
_HUB_TIME = HUB_TIME.encode()
_POSITION = (SEQUENCE_NUMBER, OFFSET, ENQUEUED)

# AMQP 1.0 part 3.2.4, by position in the list.
_MESSAGE_ID, _CORRELATION_ID, _CONTENT_TYPE, _CONTENT_ENCODING = 0, 5, 6, 7
OTHER_FIELDS = {
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
_USER_ID = OTHER_FIELDS[1]
TEXT_FIELDS = {0: "message-id", 5: "correlation-id", 6: "content-type", 7: "content-encoding"}
"""Properties that have their own fields in an event, as text."""
OF_PROPERTIES = frozenset((*OTHER_FIELDS.values(), *TEXT_FIELDS.values()))
"""System properties that are not annotations."""

Map: TypeAlias = Mapping[Any, Any] | Pairs


class Sections(NamedTuple):
    """A message's sections, text as bytes."""

    annotations: Map
    properties: Sequence[Any]
    application: Map
    body: Sequence[tuple[int, Any]]
    """The sections of the body, each with its code."""
    malformed: bool


def event_of(payload: bytes) -> Event:
    """Returns the event of one whole message. Raises AmqpError if not even its position can be read."""
    annotations, properties, application, body, malformed = sections(payload)
    content, kind = (payload, MALFORMED) if malformed else _content(body)
    known = annotations if isinstance(annotations, Mapping) else dict(_text_keys(annotations))
    sequence, offset = known.get(SEQUENCE_NUMBER), known.get(OFFSET)
    if not isinstance(sequence, int) or offset is None:
        raise AmqpError("An event came without x-opt-sequence-number or x-opt-offset.")
    origin, hub_ms = origin_of(_pairs(annotations))
    enqueued = known.get(ENQUEUED)
    origin.is_timed = isinstance(enqueued, int)
    message_id = label(properties[_MESSAGE_ID]) if properties else None
    first_data = bytes(body[0][1]) if len(body) > 1 and body[0][0] == _DATA else None
    labels = labels_of(properties, application, kind, first_data)
    enqueued_ms = enqueued if isinstance(enqueued, int) else 0
    return Event(sequence, str(label(offset)), enqueued_ms, content, hub_ms, message_id, origin, labels)


def sections(payload: bytes) -> Sections:
    """Returns the sections of the message; only the annotations if something after them is not AMQP.

    Raises AmqpError if not even the annotations can be read.
    """
    annotations: Map = {}
    properties: Sequence[Any] = ()
    application: Map = {}
    body: list[tuple[int, Any]] = []
    at = 0
    try:
        while at < len(payload):
            code, value, at = _section(payload, at)
            match code, value:
                case 0x70 | 0x71 | 0x78, _:  # header, delivery annotations, footer
                    pass
                case 0x72, dict() | Pairs():
                    annotations = value
                case 0x73, list() if type(value) is not Pairs:
                    properties = value
                case 0x74, dict() | Pairs():
                    application = value
                case (0x75, Binary()) | (0x76, list()) | (0x77, _):
                    body.append((code, value))
                case _:
                    raise AmqpError(
                        f"A message section 0x{code:02x} with a {type(value).__name__} does not belong here."
                    )
    except AmqpError:
        if not annotations:
            raise
        # Its position is known, so it can become a dead letter and the next event goes on.
        return Sections(annotations, (), {}, (), malformed=True)
    return Sections(annotations, properties, application, body, malformed=False)


def _section(payload: bytes, at: int) -> tuple[int, Any, int]:
    section, end = decode_as_bytes(payload, at)
    code = section.descriptor if isinstance(section, Described) else None
    if type(code) is bytes:
        code = _CODES.get(code)
    if type(code) is not int:
        raise AmqpError(f"The message section that ends at byte {end} has no descriptor of a section.")
    return code, section.value, end


def _content(body: Sequence[tuple[int, Any]]) -> tuple[bytes, str]:
    """Returns the content of an event and its kind."""
    codes = {code for code, _ in body}
    if codes <= {_DATA}:
        return b"".join(value for _, value in body), DATA
    if codes == {_SEQUENCE}:
        return json_of([plain(row) for _, row in body]), AMQP_SEQUENCE
    if len(body) > 1:
        return json_of([plain(Described(*section)) for section in body]), AMQP_SECTIONS
    value = body[0][1]
    if value is None:  # how JMS clients send an empty body
        return b"", DATA
    if type(value) is bytes or type(value) is Binary:  # and how they send text
        return bytes(value), DATA
    return json_of(plain(value)), AMQP_VALUE


def _pairs(section: Map) -> Iterable[tuple[Any, Any]]:
    return section.items() if isinstance(section, Mapping) else section


def _text_keys(pairs: Pairs) -> Iterable[tuple[bytes, Any]]:
    return ((key, value) for key, value in pairs if type(key) is bytes)


def origin_of(annotations: Iterable[tuple[Any, Any]]) -> tuple[Origin, int | None]:
    """Returns what annotations, as pairs in order, say about the sender, and the hub's time among them."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    device: str | None = None
    module: str | None = None
    hub_ms: int | None = None
    current = before
    for key, value in annotations:
        if key == DEVICE and is_text(value):
            device = label(value)
        elif key == MODULE and is_text(value):
            module = label(value)
        elif key == _HUB_TIME and isinstance(value, int) and not isinstance(value, bool):
            hub_ms, current = int(value), after
        elif key not in _POSITION:
            current[annotation_name(key)] = plain(value)
    if hub_ms is None:
        before, after = after, before
    return Origin(device, module, before, after), hub_ms


def annotation_name(key: Any) -> str:
    """Like `name_of`, but never a name that a field of `properties` has: both end up in the same place."""
    name = name_of(key)
    return aside(name) if name in OF_PROPERTIES else name


def labels_of(
    properties: Sequence[Any], application: Map, body_kind: str = DATA, first_data: bytes | None = None
) -> Labels:
    """Returns what the sections `properties` (a list, fields at its end can be missing) and `application-properties`
    say, except a message id that is text."""
    fields = [*properties, *[None] * (13 - len(properties))]
    system = {
        name: system_value(name, fields[place]) for place, name in OTHER_FIELDS.items() if fields[place] is not None
    }
    for place, name in TEXT_FIELDS.items():
        if fields[place] is not None and not is_text(fields[place]):
            system[name] = plain(fields[place])
    return Labels(
        label(fields[_CORRELATION_ID]),
        label(fields[_CONTENT_TYPE]),
        label(fields[_CONTENT_ENCODING]),
        system,
        _application(application),
        body_kind,
        first_data,
    )


def system_value(name: str, value: Any) -> Any:
    """Returns a field of `properties`. AMQP fixes its type, so a value that JSON can hold is not marked."""
    if isinstance(value, Timestamp):
        return int(value)
    if name == _USER_ID and isinstance(value, Binary):
        known = text_or_none(value)
        return plain(value) if known is None else known
    return plain(value)


def _application(section: Map) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _pairs(section):
        name, times = name_of(key), 1
        while name in found:  # AMQP forbids it, but no one checks
            times += 1
            name = again(name_of(key), times)
        found[name] = plain(value)
    return found


def delivery_annotations(payload: bytes) -> Mapping[Any, Any]:
    """Returns what the hub says in front of a message; empty if it says nothing, or nothing readable."""
    try:
        code, value, _ = _section(payload, 0)
    except AmqpError:
        return {}
    return value if code == DELIVERY_ANNOTATIONS and isinstance(value, dict) else {}


def newest_of(payload: bytes) -> int | None:
    """Returns the sequence number of the newest event in the hub, from the delivery annotations of every message.

    Returns None if the message has none, or none that can be read.
    """
    newest = delivery_annotations(payload).get(_NEWEST)
    return newest if isinstance(newest, int) else None
