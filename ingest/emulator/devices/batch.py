"""Several messages of a device in one HTTPS request. Pure.

Source: "Device - Send Device Event", Azure IoT Hub REST reference, and the bodies from Microsoft's device SDKs for C,
Java and Node: `[{"body": "…", "base64Encoded": true, "properties": {"iothub-app-name": "value"}}, …]`.
"""

import base64
from typing import Any, Final, NamedTuple

import orjson

CONTENT_TYPE: Final = "application/vnd.microsoft.iothub.json"
MOST_MESSAGES: Final = 500
"""In one request ("IoT Hub quotas and throttling", Microsoft Learn)."""
PROPERTY_PREFIX: Final = "iothub-app-"
_SYSTEM: Final = {
    "iothub-contenttype": "content_type",
    "iothub-contentencoding": "content_encoding",
    "iothub-messageid": "message_id",
    "iothub-correlationid": "correlation_id",
}


class BadBatch(Exception):
    """The hub takes no message of the request. `str()` is a sentence."""


class Message(NamedTuple):
    """One message of the batch."""

    body: bytes
    properties: dict[str, object]
    system: dict[str, str | None]
    """`content_type`, `content_encoding`, `message_id`, `correlation_id`: always all four, None where not given."""


def is_batch(content_type: str | None) -> bool:
    """Whether a request with this header holds a batch."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == CONTENT_TYPE


def messages(raw: bytes) -> list[Message]:
    """Returns the messages in the request, in order. Raises BadBatch."""
    try:
        rows = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBatch(f"A batch is a JSON array; this is not JSON: {error}.") from None
    if not isinstance(rows, list):
        raise BadBatch("A batch is a JSON array of objects, each with a body.")
    if not 1 <= len(rows) <= MOST_MESSAGES:
        raise BadBatch(f"The batch has {len(rows)} messages; 1 to {MOST_MESSAGES} are allowed.")
    return [_message(number, row) for number, row in enumerate(rows)]


def _message(number: int, row: Any) -> Message:
    # As the service reads it: names in any case, unknown names ignored.
    fields = {name.lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
    text = fields.get("body")
    if not isinstance(text, str):
        raise BadBatch(f"Message {number} of the batch is no object with a body of text.")
    encoded = fields.get("base64encoded", True)
    if not isinstance(encoded, bool):
        raise BadBatch(f"'base64Encoded' of message {number} is {encoded!r}; give true or false.")
    try:
        body = base64.b64decode(text, validate=True) if encoded else text.encode()
    except ValueError:
        raise BadBatch(f"The body of message {number} is not base64; send text with 'base64Encoded': false.") from None
    given = fields.get("properties") or {}
    if not isinstance(given, dict) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise BadBatch(f"The properties of message {number} are no object of texts.")
    system: dict[str, str | None] = dict.fromkeys(_SYSTEM.values())
    properties: dict[str, object] = {}
    for name, value in given.items():
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        lower = name.lower()
        if lower in _SYSTEM:
            system[_SYSTEM[lower]] = text
        elif lower.startswith(PROPERTY_PREFIX):
            properties[name[len(PROPERTY_PREFIX) :]] = text
        elif not lower.startswith("iothub-"):
            properties[name] = text
    return Message(body, properties, system)
