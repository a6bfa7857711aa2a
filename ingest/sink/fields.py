"""Where a Kafka record keeps the parts of a command: all in one JSON object, or the body as value and the rest in headers.

Only the places are known here; whether the parts are any good is `command`'s job. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ingest.errors import Undeliverable
from ingest.sink.clip import clip

Headers = Sequence[tuple[str, str | bytes | None]]
"""As confluent-kafka gives and takes them."""
PROPERTY_PREFIX = "p-"
"""Header `p-NAME` is property NAME, as the source's `raw` format writes it."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Unchecked parts by name; None: not there."""

    body: bytes
    device_id: object
    message_id: object
    correlation_id: object
    content_type: object
    ack: object
    expiry: object
    properties: object


def from_json(value: bytes) -> Fields:
    """One JSON object. Raises Undeliverable (malformed, invalid_expiry).

    `message` is sent as it is when it is a string, else as compact JSON, with its numbers as 64-bit integers or doubles.
    In all other keys null means that the key is absent; unknown keys are passed over.
    """
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undeliverable(
            "malformed",
            f"The record is not JSON in UTF-8 ({error}): write an object with deviceId and message, or put deviceId in a header.",
        ) from None
    if not isinstance(record, dict):
        raise Undeliverable(
            "malformed", f"The record is JSON and no object but {clip(record)}: write one with deviceId and message."
        )
    get = record.get
    expiry, expiry_time = get("expiry"), get("expiryTime")
    if expiry is not None and expiry_time is not None:
        raise Undeliverable("invalid_expiry", "The record has both expiry and expiryTime: write only one of them.")
    return Fields(
        device_id=get("deviceId"),
        body=_body(record),
        message_id=get("messageId"),
        correlation_id=get("correlationId"),
        content_type=get("contentType"),
        ack=get("ack"),
        expiry=expiry if expiry_time is None else expiry_time,
        properties=get("properties"),
    )


def from_headers(value: bytes, headers: Headers) -> Fields | None:
    """The body is the value, untouched; None when there is no header `deviceId`.

    Header names are the JSON object's keys, of repeated ones the last counts, foreign ones are passed over. Raises
    Undeliverable (invalid_property, invalid_device_id, invalid_expiry) when a header is not UTF-8.
    """
    found = dict(headers)
    if "deviceId" not in found:
        return None
    if found.get("expiry") is not None and found.get("expiryTime") is not None:
        raise Undeliverable("invalid_expiry", "The record has headers expiry and expiryTime: write only one of them.")
    expiry = "expiryTime" if found.get("expiryTime") is not None else "expiry"
    return Fields(
        device_id=_text(found, "deviceId", "invalid_device_id"),
        body=value,
        message_id=_text(found, "messageId"),
        correlation_id=_text(found, "correlationId"),
        content_type=_text(found, "contentType"),
        ack=_text(found, "ack"),
        expiry=_text(found, expiry, "invalid_expiry"),
        properties={
            name.removeprefix(PROPERTY_PREFIX): _text(found, name) for name in found if name.startswith(PROPERTY_PREFIX)
        },
    )


def _body(record: dict[str, object]) -> bytes:
    try:
        message = record["message"]
    except KeyError:
        raise Undeliverable(
            "malformed", "The record has no message: write the key message, a string or JSON."
        ) from None
    if isinstance(message, str):
        return message.encode()
    try:
        return orjson.dumps(message)
    except orjson.JSONEncodeError as error:
        raise Undeliverable(
            "malformed",
            f"The message cannot be written as JSON ({error}): nest it less deeply, or send it as a string.",
        ) from None


def _text(found: dict[str, str | bytes | None], name: str, reason: str = "invalid_property") -> str | None:
    value = found.get(name)
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undeliverable(
            reason, f"The header {clip(name)} = {clip(value)} is not text: write it in UTF-8."
        ) from None
