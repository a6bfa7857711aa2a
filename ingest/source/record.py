"""Event → Kafka record, one small class per format. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import orjson

from ingest.errors import Undeliverable
from ingest.source.event import BODY_KINDS, DATA, HUB_TIME, MALFORMED, Event, Labels, Origin
from ingest.source.values import encode_base64, plain_time

Headers = list[tuple[str, str | bytes | None]]

JSON_HEADER = "json"
"""Names the headers, property headers or system ones, whose value is JSON and no text."""
NUMBERS = frozenset((HUB_TIME, "absolute-expiry-time", "creation-time", "group-sequence"))
"""System properties that are whole numbers, and so named nowhere."""
COMPARED_BYTES = 1_024
"""Text of control characters is base64 when that is shorter, if it has grown by more than this: others are not looked at."""
_DAY_10000_MS = 253_402_300_800_000
_CONTROL = bytes(range(0x20)).translate(None, b"\b\t\n\f\r")
"""What JSON writes with six characters. Text has none of them."""
_HUB_TIME_MEMBER = b'"%b":' % HUB_TIME.encode()
_HUB_TIME_HEADER = f"s-{HUB_TIME}"
_dumps = orjson.dumps
_new_record: Callable[..., "Record"] = tuple.__new__  # half the time of a NamedTuple's own constructor


class Record(NamedTuple):
    key: bytes | None
    """The device id, so that Kafka keeps each device's order; of an event that no device sent the partition key, if any."""
    value: bytes
    headers: Headers | None
    timestamp_ms: int
    """The hub's enqueued time; 0, which stands for now, if that is no date."""


class Format(Protocol):
    """How events become records. Stateless apart from caches; one instance per partition process."""

    def encode(self, event: Event) -> Record:
        """Raises Undeliverable when this format cannot carry the event."""
        ...


def rfc3339(milliseconds: int) -> str:
    """Unix milliseconds from 1970 to the year 9999 as RFC 3339 in UTC, three digits: `2026-11-22T16:39:00.123Z`."""
    seconds, millis = divmod(milliseconds, 1000)
    return (_second(seconds) + _MILLIS[millis]).decode()


_MILLIS = tuple(b"%03dZ" % millis for millis in range(1000))
"""How a time ends. Under load most events have a millisecond of their own, and thousands share a second."""
_NEVER_MS = -(1 << 64)
"""Before any time that AMQP can carry."""


def _second(seconds: int) -> bytes:
    """`2026-11-22T16:39:00.`"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()


def _is_date(milliseconds: int) -> bool:
    return 0 <= milliseconds < _DAY_10000_MS


def _undated(event: Event) -> bytes:
    return _dumps(plain_time(event.enqueued_ms))


class JsonFormat:
    """One JSON object per event; `content` is exactly the body, base64 with `contentTransfer` when it is not UTF-8 or when
    that is shorter than its control characters. `bodyType` says of a content that JSON was made of the body.

    What follows from `Origin` and `Labels` is made into bytes once for each of those; an event adds its numbers and body.
    """

    def __init__(self, partition: str) -> None:
        self._partition = _json(partition)
        self._second_ms = _NEVER_MS
        self._until_second = b""

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, hub_ms, message_id, origin, labels = event
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            if not _is_date(enqueued_ms):
                return self._encode_undated(event)
            millis = self._begin_second(enqueued_ms)
        key, head, before, after, is_bare = origin.as_json or _json_origin(origin, hub_ms)
        between, more, system, tail = labels.as_json or _json_labels(labels)
        try:
            content = _dumps(str(body, "utf-8"))
            if len(content) - len(body) > COMPARED_BYTES:
                content = _shorter(content, body)
        except UnicodeDecodeError:
            content = _in_base64(body)
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

    def _encode_undated(self, event: Event) -> Record:
        """The time is a number instead of text. What stands before it is text in quotes of its own, or digits."""
        record = self.encode(event._replace(enqueued_ms=0))
        dated = b'"enqueuedTime":"%b"' % rfc3339(0).encode()
        return record._replace(
            value=record.value.replace(dated, b'"enqueuedTime":' + _undated(event), 1), timestamp_ms=0
        )

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
        before += b"%b%b" % (_members(origin.before)[1:] + b"," if origin.before else b"", _HUB_TIME_MEMBER)
    else:
        after = after[1:]
    origin.as_json = origin.key, head, before, after, hub_ms is None and not after
    encoded: tuple[bytes | None, bytes, bytes, bytes, bool] = origin.as_json
    return encoded


def _json_labels(labels: Labels) -> tuple[bytes, bytes, bytes, bytes]:
    """What stands between the time and the message id, from there to the content, more system properties, the rest."""
    between = b'","contentType":%b,"contentEncoding":%b' % (
        _json(labels.content_type),
        _json(labels.content_encoding),
    )
    more = b"" if labels.correlation_id is None else b',"correlationId":' + _json(labels.correlation_id)
    if labels.body_kind != DATA and (body_type := _body_type(labels)) is not None:
        more += b',"bodyType":' + _json(body_type)
    tail = b'},"properties":%b}' % _json(labels.properties)
    labels.as_json = between, more + b',"content":', _members(labels.system), tail
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
        sequence, offset, enqueued_ms, body, hub_ms, message_id, origin, labels = event
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            if not _is_date(enqueued_ms):
                return self._encode_undated(event)
            seconds, millis = divmod(enqueued_ms, 1000)
            self._second, self._second_ms = _second(seconds), enqueued_ms - millis
        key, device, before, after = origin.as_headers or _raw_origin(origin)
        described, correlation, system = labels.as_headers or _raw_labels(labels)
        headers: Headers = [
            ("offset", offset.encode()),
            ("sequenceNumber", b"%d" % sequence),
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
            headers.append((_HUB_TIME_HEADER, b"%d" % hub_ms))
        headers += after
        headers += system
        return _new_record(Record, (key, body, headers, enqueued_ms))

    def _encode_undated(self, event: Event) -> Record:
        record = self.encode(event._replace(enqueued_ms=0))
        assert record.headers is not None
        headers: Headers = [
            (name, _undated(event) if name == "enqueuedTime" else value) for name, value in record.headers
        ]
        return record._replace(headers=[*headers, (JSON_HEADER, _dumps(["enqueuedTime"]))], timestamp_ms=0)


def _raw_origin(origin: Origin) -> tuple[bytes | None, Headers, Headers, Headers]:
    device = _present(("deviceId", origin.device_id), ("moduleId", origin.module_id))
    after = _named("s", origin.after) + _json_names("s", {**origin.before, **origin.after})
    origin.as_headers = origin.key, device, _named("s", origin.before), after
    encoded: tuple[bytes | None, Headers, Headers, Headers] = origin.as_headers
    return encoded


def _raw_labels(labels: Labels) -> tuple[Headers, Headers, Headers]:
    described = _present(("contentType", labels.content_type), ("contentEncoding", labels.content_encoding))
    described += _present(("bodyType", _body_type(labels)))
    correlation = _present(("correlationId", labels.correlation_id))
    named = _named("s", labels.system) + _named("p", labels.properties)
    named += _json_names("s", labels.system) + _json_names("p", labels.properties)
    labels.as_headers = described, correlation, named
    encoded: tuple[Headers, Headers, Headers] = labels.as_headers
    return encoded


def _present(*fields: tuple[str, str | None]) -> Headers:
    return [(name, value.encode()) for name, value in fields if value is not None]


def _named(prefix: str, values: Mapping[str, Any]) -> Headers:
    named: Headers = [
        (f"{prefix}-{name}", _kept(_json(value)) if _is_json(prefix, name, value) else value.encode())
        for name, value in values.items()
    ]
    for name, _ in named:
        name.encode()  # raises for half a surrogate pair, with which confluent-kafka 2.16 would end the process
    return named


def _is_json(prefix: str, name: str, value: Any) -> bool:
    return not isinstance(value, str) or (prefix == "s" and name in NUMBERS)


def _json_names(prefix: str, values: Mapping[str, Any]) -> Headers:
    """A header that names those of `_named` that are no text, unless all know it of their name."""
    names = [
        f"{prefix}-{name}"
        for name, value in values.items()
        if _is_json(prefix, name, value) and not (prefix == "s" and name in NUMBERS and type(value) is int)
    ]
    return [(JSON_HEADER, _kept(_json(names)))] if names else []


FORMATS: dict[str, type[JsonFormat] | type[RawFormat]] = {"json": JsonFormat, "raw": RawFormat}


def _shorter(content: bytes, body: bytes) -> bytes:
    """`content`, which is the body as JSON text; base64 if that is shorter and the body has control characters.

    Quotes and line breaks make no difference, however many they are: text stays text.
    """
    if len(body.translate(None, _CONTROL)) == len(body):
        return content
    base64 = _in_base64(body)
    return base64 if len(base64) < len(content) else content


def _in_base64(body: bytes) -> bytes:
    return _dumps(encode_base64(body)) + b',"contentTransfer":"base64"'


def _kept(text: bytes) -> bytes:
    """A copy. What orjson returns holds 4 KiB for as long as it lives, however short it is (orjson 3.13)."""
    return b"%b" % text


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Undeliverable("not_json", f"a property value cannot be written as JSON ({error})") from None


def _body_type(labels: Labels) -> str | None:
    """What a record says of the body; nothing when that is the content."""
    kind = labels.body_kind
    if kind in BODY_KINDS:
        return None if kind == DATA else kind
    if kind == MALFORMED:
        raise Undeliverable("malformed", "behind its annotations the message is not AMQP 1.0")
    raise Undeliverable("body_type", f"the body is an AMQP {kind}, which no record format carries")
