"""A record in any of the forms that the old connector and ours write → `Shape`. Each record tells its form itself. Pure."""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from ingest.errors import Undeliverable
from ingest.kafka.header_names import Header
from ingest.shadow.shape import Shape, clean, entries_of_text
from ingest.sink.commands.formats.avro_reader import BadBody, read
from ingest.source.events.decoder import OF_PROPERTIES
from ingest.source.events.event import DATA, HUB_TIME, Event, Labels, Origin
from ingest.source.formats.connect_json import ConnectJsonFormat
from ingest.source.formats.raw import event_of_record
from ingest.source.formats.times import unix_ms

_STRUCT: Final = re.compile(
    r"Struct\{deviceId=(?P<device>.*?),offset=(?P<offset>.*?)(?:,contentType=(?P<type>.*?))?,enqueuedTime=(?P<time>[^,]*),"
    r"sequenceNumber=(?P<sequence>-?\d+),content=(?P<content>.*),systemProperties=\{(?P<system>.*)\},"
    r"properties=\{(?P<properties>.*)\}\}",
    re.DOTALL,
)
_FRAME_BYTES: Final = 5

SchemaOf = Callable[[int], object]
"""Gives the schema with a number, as `ingest.sink.commands.formats.avro_reader.prepared` does."""


class BadRecord(ValueError):
    """It has none of the forms. `str()` is a clause."""


def decode(value: bytes | None, headers: Sequence[Header], schema_of: SchemaOf) -> Shape:
    """Returns the shape. Raises BadRecord, and what `schema_of` raises."""
    try:
        if any(name == "sequenceNumber" for name, _ in headers):
            return _of_event(event_of_record(headers, value or b""))
        if value is None:
            raise BadRecord("it has no value")
        if value[:1] == b"\0":
            return _of_frame(value, schema_of)
        if value[:7] == b"Struct{":
            return _of_text(value.decode())
        if value[:1] == b"{":
            return _of_object(_loads(value))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, Undeliverable) as error:
        if isinstance(error, BadRecord):
            raise
        raise BadRecord(f"it is not as the old connector or ingest writes it ({error!r:.200})") from None
    raise BadRecord(f"it begins with {value[:20]!r}: neither a struct, nor an object, nor an Avro frame")


def _loads(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:  # it refuses half a surrogate pair, which Jackson writes
        return json.loads(value)


def _of_object(found: Mapping[str, Any]) -> Shape:
    if "payload" in found and "schema" in found:
        return _of_struct(found["payload"])
    if "partition" in found:
        return _of_event(_event_of_json(found))
    return _of_struct(found)


def _of_struct(found: Mapping[str, Any]) -> Shape:
    content_type = found["contentType"]
    return Shape(
        _text(found["deviceId"]),
        _text(found["offset"]),
        None if content_type is None else _text(content_type),
        _text(found["enqueuedTime"]),
        _number(found["sequenceNumber"]),
        _text(found["content"]),
        _map(found["systemProperties"]),
        _map(found["properties"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadRecord(f"{value!r:.50} is no text")
    return clean(value)


def _number(value: object) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise BadRecord(f"the sequence number {value!r:.50} is no whole number of 64 bits")
    return value


def _map(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadRecord(f"{value!r:.50} is no map")
    return {_text(name): _text(item) for name, item in value.items()}


def _of_text(text: str) -> Shape:
    """Where a content or property looks like the struct's own words, this can be read in several ways, and one is taken."""
    found = _STRUCT.fullmatch(text)
    if found is None:
        raise BadRecord("its struct has not the fields of the old connector")
    return Shape(
        found["device"],
        found["offset"],
        found["type"],
        found["time"],
        _number(int(found["sequence"])),
        found["content"],
        entries_of_text(found["system"]),
        entries_of_text(found["properties"]),
        is_text=True,
    )


def _of_frame(value: bytes, schema_of: SchemaOf) -> Shape:
    if len(value) < _FRAME_BYTES:
        raise BadRecord("it is a zero byte and no Avro frame")
    schema = schema_of(int.from_bytes(value[1:_FRAME_BYTES], "big"))
    try:
        found = read(value[_FRAME_BYTES:], schema)
    except BadBody as bad:
        raise BadRecord(f"its Avro cannot be read ({bad})") from None
    if not isinstance(found, dict):
        raise BadRecord("its Avro is no record")
    return _of_struct(found)


def _event_of_json(found: Mapping[str, Any]) -> Event:
    """The event of a record of format `json`, but for the order of its annotations."""
    system = found["systemProperties"]
    content = found["content"]
    time = found["enqueuedTime"]
    hub_ms = system.get(HUB_TIME)
    timed = type(hub_ms) is int
    annotations = {
        name: item for name, item in system.items() if name not in OF_PROPERTIES and not (timed and name == HUB_TIME)
    }
    return Event(
        _number(found["sequenceNumber"]),
        _text(found["offset"]),
        unix_ms(time) if isinstance(time, str) else time["$timestamp"],
        base64.b64decode(content, validate=True) if found.get("contentTransfer") == "base64" else content.encode(),
        hub_ms if timed else None,
        found.get("messageId"),
        Origin(found.get("deviceId"), found.get("moduleId"), {}, annotations),
        Labels(
            found.get("correlationId"),
            found["contentType"],
            found["contentEncoding"],
            {name: item for name, item in system.items() if name in OF_PROPERTIES},
            found["properties"],
            found.get("bodyType", DATA),
        ),
    )


def _of_event(event: Event) -> Shape:
    """What the old connector would have made of it: what differs on purpose is the same then."""
    event.origin.is_timed = event.enqueued_ms != 0
    return _of_struct(_loads(ConnectJsonFormat("").encode(event).value))
