"""Event → Kafka record, one small class per format. Pure."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import orjson

from ingest.errors import Undeliverable
from ingest.source.event import HUB_TIME, Event, Labels, Origin

Headers = list[tuple[str, str | bytes | None]]

_HUB_TIME_HEADER = f"s-{HUB_TIME}"
_dumps = orjson.dumps
_new_record: Callable[..., "Record"] = tuple.__new__  # half the time of a NamedTuple's own constructor


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
    return (_second(seconds) + _MILLIS[millis]).decode()


_MILLIS = tuple(b"%03dZ" % millis for millis in range(1000))
"""How a time ends. Under load most events have a millisecond of their own, and thousands share a second."""
_NEVER_MS = -(1 << 64)
"""Before any time that AMQP can carry."""


def _second(seconds: int) -> bytes:
    """`2026-11-22T16:39:00.`"""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()
    except (ValueError, OverflowError, OSError):
        raise Undeliverable("bad_time", f"the enqueued time, {seconds} s after 1970, is no date") from None


class JsonFormat:
    """One JSON object per event; `content` is exactly the body, base64 with `contentTransfer` when it is not UTF-8.

    What follows from `Origin` and `Labels` is made into bytes once for each of those; an event adds its numbers and body.
    """

    def __init__(self, partition: str) -> None:
        self._partition = _json(partition)
        self._second_ms = _NEVER_MS
        self._until_second = b""

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, kind, hub_ms, message_id, origin, labels = event
        if kind != "data":
            raise _no_data(kind)
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            millis = self._begin_second(enqueued_ms)
        key, head, before, after, is_bare = origin.as_json or _json_origin(origin, hub_ms)
        between, more, system, tail = labels.as_json or _json_labels(labels)
        try:
            content = _dumps(str(body, "utf-8"))
        except UnicodeDecodeError:
            content = _dumps(_base64(body)) + b',"contentTransfer":"base64"'
        value = b"".join(
            (
                head,
                _dumps(offset),
                b',"sequenceNumber":',
                _dumps(sequence),
                self._until_second,
                _MILLIS[millis],
                between,
                b"" if message_id is None else b',"messageId":' + _dumps(message_id),
                more,
                content,
                before,
                b"" if hub_ms is None else _dumps(hub_ms),
                after,
                system[1:] if is_bare else system,
                tail,
            )
        )
        return _new_record(Record, (key, value, None, enqueued_ms))

    def _begin_second(self, enqueued_ms: int) -> int:
        seconds, millis = divmod(enqueued_ms, 1000)
        self._until_second = b',"partition":%b,"enqueuedTime":"%b' % (self._partition, _second(seconds))
        self._second_ms = enqueued_ms - millis
        return millis


def _json_origin(origin: Origin, hub_ms: int | None) -> tuple[bytes | None, bytes, bytes, bytes, bool]:
    """Key; what stands before the offset, before the hub's time and after it; whether that is no member at all."""
    module = b"" if origin.module_id is None else b',"moduleId":' + _json(origin.module_id)
    head = b'{"deviceId":%b%b,"offset":' % (_json(origin.device_id), module)
    before, after = b',"systemProperties":{', _members(origin.after)
    if hub_ms is not None:
        before += b"%b%b:" % (_members(origin.before)[1:] + b"," if origin.before else b"", _json(HUB_TIME))
    else:
        after = after[1:]
    origin.as_json = _key(origin.device_id), head, before, after, hub_ms is None and not after
    encoded: tuple[bytes | None, bytes, bytes, bytes, bool] = origin.as_json
    return encoded


def _json_labels(labels: Labels) -> tuple[bytes, bytes, bytes, bytes]:
    """What stands between the time and the message id, from there to the content, more system properties, the rest."""
    between = b'","contentType":%b,"contentEncoding":%b' % (_json(labels.content_type), _json(labels.content_encoding))
    correlation = b"" if labels.correlation_id is None else b',"correlationId":' + _json(labels.correlation_id)
    tail = b'},"properties":%b}' % _json(labels.properties)
    labels.as_json = between, correlation + b',"content":', _members(labels.system), tail
    encoded: tuple[bytes, bytes, bytes, bytes] = labels.as_json
    return encoded


def _members(values: Mapping[str, Any]) -> bytes:
    """The members of a JSON object, each with a comma before it."""
    return b"," + _json(values)[1:-1] if values else b""


class RawFormat:
    """The body untouched as the value; everything else in headers, property headers prefixed `p-`, system ones `s-`."""

    def __init__(self, partition: str) -> None:
        self._partition = ("partition", partition.encode())
        self._second_ms = _NEVER_MS
        self._second = b""

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, kind, hub_ms, message_id, origin, labels = event
        if kind != "data":
            raise _no_data(kind)
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            seconds, millis = divmod(enqueued_ms, 1000)
            self._second, self._second_ms = _second(seconds), enqueued_ms - millis
        key, device, before, after = origin.as_headers or _raw_origin(origin)
        described, correlation, system = labels.as_headers or _raw_labels(labels)
        headers: Headers = [
            ("offset", offset.encode()),
            ("sequenceNumber", _dumps(sequence)),
            self._partition,
            ("enqueuedTime", self._second + _MILLIS[millis]),
            *device,
            *described,
        ]
        if message_id is not None:
            headers.append(("messageId", message_id.encode()))
        headers += correlation
        headers += before
        if hub_ms is not None:
            headers.append((_HUB_TIME_HEADER, _dumps(hub_ms)))
        headers += after
        headers += system
        return _new_record(Record, (key, body, headers, enqueued_ms))


def _raw_origin(origin: Origin) -> tuple[bytes | None, Headers, Headers, Headers]:
    device = _present(("deviceId", origin.device_id), ("moduleId", origin.module_id))
    origin.as_headers = _key(origin.device_id), device, _named("s", origin.before), _named("s", origin.after)
    encoded: tuple[bytes | None, Headers, Headers, Headers] = origin.as_headers
    return encoded


def _raw_labels(labels: Labels) -> tuple[Headers, Headers, Headers]:
    described = _present(("contentType", labels.content_type), ("contentEncoding", labels.content_encoding))
    correlation = _present(("correlationId", labels.correlation_id))
    labels.as_headers = described, correlation, _named("s", labels.system) + _named("p", labels.properties)
    encoded: tuple[Headers, Headers, Headers] = labels.as_headers
    return encoded


def _present(*fields: tuple[str, str | None]) -> Headers:
    return [(name, value.encode()) for name, value in fields if value is not None]


def _named(prefix: str, values: Mapping[str, Any]) -> Headers:
    named: Headers = [
        (f"{prefix}-{name}", value.encode() if isinstance(value, str) else _json(value))
        for name, value in values.items()
    ]
    for name, _ in named:
        name.encode()  # raises for half a surrogate pair, with which confluent-kafka 2.16 would end the process
    return named


FORMATS: dict[str, type[JsonFormat] | type[RawFormat]] = {"json": JsonFormat, "raw": RawFormat}


def _key(device_id: str | None) -> bytes | None:
    return None if device_id is None else device_id.encode()


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode("ascii")


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Undeliverable("not_json", f"a property value cannot be written as JSON ({error})") from None


def _no_data(kind: str) -> Undeliverable:
    if kind == "malformed":
        return Undeliverable("malformed", "behind its annotations the message is not AMQP 1.0")
    return Undeliverable("body_type", f"the body is an AMQP {kind}, which no record format carries")
