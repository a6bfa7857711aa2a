"""Messages as azure-eventhub decodes them → `Event`; and what its decoder cannot read, put into its shape.

The decoder lacks char, decimal32, decimal64 and arrays of described values, gets decimal128 and empty arrays wrong, and
drops the bytes of bodies that are no data sections.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from azure.eventhub._pyamqp import _decode
from azure.eventhub._pyamqp.message import Message, Properties

from ingest.amqp.types import Decimal128
from ingest.source.event import Event
from ingest.source.message import Sections, assemble, sections

if TYPE_CHECKING:
    from azure.eventhub import EventData

_RAW_PAYLOAD = b"x-ingest-raw-payload"
"""Annotation that keeps the undecoded message when its body is no AMQP data section."""
_MALFORMED = b"x-ingest-malformed"
_PROPERTIES = Properties._fields

_pyamqp: Any = _decode
_decode_payload = _pyamqp.decode_payload


def _decimal128(buffer: memoryview) -> tuple[memoryview, Decimal128]:
    return buffer[16:], Decimal128(buffer[:16])


def _array(width: int, decode: Callable[[memoryview], tuple[memoryview, list[Any]]]) -> Callable[[memoryview], Any]:
    def read(buffer: memoryview) -> tuple[memoryview, list[Any]]:
        size = int.from_bytes(buffer[:width], "big")
        if not any(buffer[width : 2 * width]):  # no items, but their type
            return buffer[width + size :], []
        return decode(buffer)

    return read


_pyamqp._DECODE_BY_CONSTRUCTOR[0x94] = _decimal128
for _code, _width in {0xE0: 1, 0xF0: 4}.items():
    _pyamqp._DECODE_BY_CONSTRUCTOR[_code] = _array(_width, _pyamqp._DECODE_BY_CONSTRUCTOR[_code])


def decode_for_sdk(payload: memoryview) -> Message:
    """In place of the client's decoder. Raises AmqpError when not even the message's position can be read."""
    try:
        message: Message = _decode_payload(payload)
    except Exception:  # whatever bytes lead it to, by index: TypeError, IndexError, struct.error, …
        message = _message(sections(bytes(payload)))
    else:
        if not _is_sound(message):
            message = _message(sections(bytes(payload)))
    if message.data is None and message.value is None and message.sequence is None:
        return message._replace(data=[b""])
    if message.data is None:
        annotations = {**(message.message_annotations or {}), _RAW_PAYLOAD: bytes(payload)}
        message = message._replace(message_annotations=annotations)
    return message


def _is_sound(message: Message) -> bool:
    """Whether the sections are of their types, which the client's decoder does not look at."""
    annotations: Any = message.message_annotations
    application: Any = message.application_properties
    parts: Any = message.data
    return (
        isinstance(annotations, dict | None)
        and isinstance(application, dict | None)
        and all(isinstance(part, bytes | memoryview) for part in parts or ())
    )


def _message(found: Sections) -> Message:
    annotations = dict(found.annotations)
    if found.body_kind == "malformed":
        annotations[_MALFORMED] = True
    return Message(
        message_annotations=annotations,
        properties=Properties(*[*found.properties, *[None] * len(_PROPERTIES)][: len(_PROPERTIES)]),
        application_properties=dict(found.application),
        data=list(found.data) or [b""] if found.body_kind == "data" else None,
        sequence=[[]] if found.body_kind == "sequence" else None,
        value=found.body_kind if found.body_kind in ("value", "malformed") else None,
    )


def event_from_sdk(data: "EventData") -> Event:
    """The event that azure-eventhub decoded. Raises AmqpError when it lacks a position."""
    message = data.raw_amqp_message
    annotations: dict[Any, Any] = dict(message.annotations or {})
    payload = annotations.pop(_RAW_PAYLOAD, b"")
    kind: str = "malformed" if annotations.pop(_MALFORMED, False) else message.body_type.value
    body = _joined(message.body) if kind == "data" else payload
    given = message.properties
    properties = () if given is None else [getattr(given, name) for name in _PROPERTIES]
    application: Mapping[Any, Any] = message.application_properties or {}
    return assemble(annotations, properties, application, body, kind)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)
