"""Messages that azure-eventhub's decoder cannot read (it lacks char, decimal32, decimal64 and arrays of described
values), decoded by `ingest.amqp` into the shape that the client expects: strings and symbols as bytes."""

from typing import Any

from azure.eventhub._pyamqp.message import Message, Properties

from ingest.amqp.message import Data, Sequence, Value, decode_message


def decode_for_sdk(payload: memoryview) -> Message:
    """Raises AmqpError when the bytes are no AMQP message at all."""
    ours = decode_message(payload)
    sections: dict[str, Any] = {
        "delivery_annotations": _bytes(ours.delivery_annotations),
        "message_annotations": _bytes(ours.message_annotations),
        "application_properties": _bytes(ours.application_properties),
        "footer": _bytes(ours.footer),
    }
    if ours.properties is not None:
        sections["properties"] = Properties(
            **{name: _bytes(getattr(ours.properties, name)) for name in Properties._fields}
        )
    match ours.body:
        case Data(parts):
            sections["data"] = list(parts)
        case Sequence(lists):
            sections["sequence"] = [_bytes(item) for item in lists]
        case Value(value):
            sections["value"] = _bytes(value)
    return Message(**sections)


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        return {_bytes(key): _bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bytes(item) for item in value]
    return value
