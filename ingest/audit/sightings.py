"""A record of any format → where its event stood in the hub. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from ingest.kafka.dead_letters.record import HEADER_PREFIX
from ingest.kafka.header_names import Header
from ingest.shadow.decoding import BadRecord, SchemaOf, decode
from ingest.source.formats.times import unix_ms

UNDATED: Final = -1
"""Stands for the time of an event that the hub gave none that is a date."""

_JSON: Final = re.compile(
    rb'\{"deviceId":(?:"(?P<device>[^"\\]+)"|null)(?:,"moduleId":"[^"\\]*")?,"offset":"[^"\\]*",'
    rb'"sequenceNumber":(?P<number>\d{1,18}),"partition":"(?P<partition>\d{1,9})",'
    rb'"enqueuedTime":"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(?P<millis>\d{3})Z"'
)
"""How ingest begins a record of format `json`; what begins in another way can still be one."""


_RAW: Final = ("offset", "sequenceNumber", "partition", "enqueuedTime", "deviceId")
_RAW_VALUES: Final = re.compile(
    rb"(?P<number>\d{1,18})\n(?P<partition>\d{1,9})\n(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(?P<millis>\d{3})Z"
)


def raw_parts(headers: Sequence[Header]) -> tuple[bytes, bytes, bytes, bytes, bytes] | None:
    """Returns device, number, partition, second and millis of headers as ingest begins them in format `raw`; None if these
    begin in another way, which can still be ours."""
    if tuple(name for name, _ in headers[:5]) != _RAW:
        return None
    values = [value for _, value in headers[1:5]]
    number, partition, time, device = values
    if not (isinstance(number, bytes) and isinstance(partition, bytes) and isinstance(time, bytes)):
        return None
    found = _RAW_VALUES.fullmatch(b"\n".join((number, partition, time)))
    if found is None or not isinstance(device, bytes) or not device:
        return None
    return device, found["number"], found["partition"], found["second"], found["millis"]


def json_parts(value: bytes | str | None) -> tuple[bytes | None, bytes, bytes, bytes, bytes] | None:
    """Returns the same of a value as ingest begins it in format `json`."""
    found = _JSON.match(value) if isinstance(value, bytes) and value[-1:] == b"}" else None
    if found is None:
        return None
    return found["device"], found["number"], found["partition"], found["second"], found["millis"]


class Sighting(NamedTuple):
    """One record of an event."""

    partition: str
    """The hub's; "" where the format does not say it."""
    number: int
    """The sequence number there, from 0 up."""
    time_ms: int
    """When the hub stored the event, Unix milliseconds, or UNDATED."""
    device: bytes | None
    """Its id, in any form that is the same for all of its events; None if no device sent it."""


class Foreign(ValueError):
    """It is no record of ours. `str()` is a clause."""


def of_record(value: bytes | None, headers: Sequence[Header], schema_of: SchemaOf) -> Sighting:
    """Raises Foreign, and what `schema_of` raises."""
    try:
        if any(name == "sequenceNumber" for name, _ in headers):
            return _of_headers(headers)
        if value is not None and value[:1] == b"{":
            found = orjson.loads(value)
            if "partition" in found:
                return _of_json(found)
        shape = decode(value, headers, schema_of)
    except (BadRecord, KeyError, TypeError, ValueError, AttributeError) as why:
        raise Foreign(str(why)) from None
    time_ms = shape.enqueued_ms
    return _checked(
        "", shape.sequence, UNDATED if time_ms is None else time_ms, shape.device_id.encode(errors="replace")
    )


def of_letter(headers: Sequence[Header], event_hub: str | None) -> Sighting:
    """Returns the position of a dead letter of this event hub; None: of any. Raises Foreign."""
    texts = _texts(headers)
    wrote = texts.get(f"{HEADER_PREFIX}event-hub")
    if None not in (event_hub, wrote) and wrote != event_hub:
        raise Foreign(f"it is a dead letter of the event hub {wrote}")
    try:
        device = texts.get(f"{HEADER_PREFIX}device-id")
        return _checked(
            texts[f"{HEADER_PREFIX}partition"],
            int(texts[f"{HEADER_PREFIX}sequence-number"]),
            int(texts.get(f"{HEADER_PREFIX}enqueued-ms", UNDATED)),
            None if device is None else device.encode(errors="replace"),
        )
    except (KeyError, ValueError) as why:
        raise Foreign(f"it is no dead letter of an event ({why!r})") from None


class Seconds:
    """Times of format `json`, each second of which is worked out once."""

    def __init__(self) -> None:
        self._text, self._ms = b"", 0

    def ms(self, second: bytes, millis: bytes) -> int:
        """Returns Unix milliseconds. Raises ValueError if there is no such second."""
        if second != self._text:
            self._ms = int(datetime.fromisoformat(second.decode() + "+00:00").timestamp()) * 1000
            self._text = second
        return self._ms + int(millis)


def _of_headers(headers: Sequence[Header]) -> Sighting:
    texts = _texts(headers)
    time = texts["enqueuedTime"]
    device = texts.get("deviceId")
    return _checked(
        texts["partition"],
        int(texts["sequenceNumber"]),
        unix_ms(time) if time.endswith("Z") else UNDATED,
        None if device is None else device.encode(errors="replace"),
    )


def _of_json(found: Mapping[str, Any]) -> Sighting:
    time, device, _ = found["enqueuedTime"], found["deviceId"], found["offset"]
    return _checked(
        found["partition"],
        found["sequenceNumber"],
        unix_ms(time) if isinstance(time, str) else UNDATED,
        None if device is None else orjson.dumps(device)[1:-1],
    )


def _checked(partition: object, number: object, time_ms: int, device: bytes | None) -> Sighting:
    if not isinstance(partition, str) or type(number) is not int or not 0 <= number < 1 << 62:
        raise Foreign(f"partition {partition!r:.30} and sequence number {number!r:.30} are no position")
    return Sighting(partition, number, time_ms, device)


def _texts(headers: Sequence[Header]) -> dict[str, str]:
    """Of several headers with one name the first: ingest writes its own before those of others."""
    return {
        name: raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        for name, raw in reversed(headers)
        if raw is not None
    }
