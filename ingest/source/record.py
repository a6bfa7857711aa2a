"""Event → Kafka record, one small class per format. Pure."""

import base64
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import orjson

from ingest.errors import Undeliverable
from ingest.source.event import Event

Headers = list[tuple[str, str | bytes | None]]


class Record(NamedTuple):
    key: bytes | None
    """The device id, so that Kafka keeps each device's order; None for an event that no device sent."""
    value: bytes
    headers: Headers | None
    timestamp_ms: int
    """The hub's enqueued time."""


class Format(Protocol):
    """How events become records. Stateless apart from caches; one instance per partition process."""

    def encode(self, event: Event) -> Record:
        """Raises Undeliverable when this format cannot carry the event."""
        ...


def rfc3339(milliseconds: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC with three digits: `2026-11-22T16:39:00.123Z`. Raises Undeliverable."""
    seconds, millis = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{millis:03}Z"


@lru_cache(maxsize=64)  # events come in order of time, so that thousands share a second
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        raise Undeliverable("bad_time", f"the enqueued time, {seconds} s after 1970, is no date") from None


class JsonFormat:
    """One JSON object per event; `content` is exactly the body, base64 with `contentTransfer` when it is not UTF-8."""

    def __init__(self, partition: str) -> None:
        self._partition = partition

    def encode(self, event: Event) -> Record:
        _require_data(event)
        record: dict[str, Any] = {"deviceId": event.device_id}
        if event.module_id is not None:
            record["moduleId"] = event.module_id
        record["offset"] = event.offset
        record["sequenceNumber"] = event.sequence_number
        record["partition"] = self._partition
        record["enqueuedTime"] = rfc3339(event.enqueued_ms)
        record["contentType"] = event.content_type
        record["contentEncoding"] = event.content_encoding
        if event.message_id is not None:
            record["messageId"] = event.message_id
        if event.correlation_id is not None:
            record["correlationId"] = event.correlation_id
        try:
            record["content"] = event.body.decode()
        except UnicodeDecodeError:
            record["content"] = base64.b64encode(event.body).decode("ascii")
            record["contentTransfer"] = "base64"
        record["systemProperties"] = event.system_properties
        record["properties"] = event.properties
        return Record(_key(event), _json(record), None, event.enqueued_ms)


class RawFormat:
    """The body untouched as the value; everything else in headers, property headers prefixed `p-`, system ones `s-`."""

    def __init__(self, partition: str) -> None:
        self._partition = partition.encode()

    def encode(self, event: Event) -> Record:
        _require_data(event)
        headers: Headers = [
            ("offset", event.offset.encode()),
            ("sequenceNumber", b"%d" % event.sequence_number),
            ("partition", self._partition),
            ("enqueuedTime", rfc3339(event.enqueued_ms).encode()),
        ]
        for name, value in (
            ("deviceId", event.device_id),
            ("moduleId", event.module_id),
            ("contentType", event.content_type),
            ("contentEncoding", event.content_encoding),
            ("messageId", event.message_id),
            ("correlationId", event.correlation_id),
        ):
            if value is not None:
                headers.append((name, value.encode()))
        headers += [(f"s-{name}", _header(value)) for name, value in event.system_properties.items()]
        headers += [(f"p-{name}", _header(value)) for name, value in event.properties.items()]
        return Record(_key(event), event.body, headers, event.enqueued_ms)


FORMATS: dict[str, type[JsonFormat] | type[RawFormat]] = {"json": JsonFormat, "raw": RawFormat}


def _key(event: Event) -> bytes | None:
    return None if event.device_id is None else event.device_id.encode()


def _header(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else _json(value)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Undeliverable("not_json", f"a property value cannot be written as JSON ({error})") from None


def _require_data(event: Event) -> None:
    if event.body_kind != "data":
        raise Undeliverable("body_type", f"the body is an AMQP {event.body_kind}, which no record format carries")
