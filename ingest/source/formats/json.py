"""Format `json`: one JSON object for each event. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ingest.source.events.event import DATA, HUB_TIME, Event, Labels, Origin
from ingest.source.events.values import encode_base64
from ingest.source.formats.contract import Record, new_record
from ingest.source.formats.parts import as_json, body_type, dumps
from ingest.source.formats.times import MILLIS, NEVER_MS, is_date, rfc3339, second, undated

COMPARED_BYTES = 1_024
"""If JSON makes a text longer by more than this, base64 can be shorter, and is used if it is."""
_CONTROL = bytes(range(0x20)).translate(None, b"\b\t\n\f\r")
"""Characters that JSON writes with six characters. Ordinary text has none of them."""
_AROUND_BYTES = 1_024
"""More than the names of members, position, partition and times need."""
_HUB_TIME_MEMBER = b'"%b":' % HUB_TIME.encode()


class JsonFormat:
    """One JSON object per event; `content` is exactly the body, or base64 with `contentTransfer` if it is not UTF-8 or if base64
    is shorter than its control characters. `bodyType` says that the body was turned into JSON.

    What follows from `Origin` and `Labels` is encoded once for each of those; an event adds its numbers and body.
    """

    unique: ClassVar[bool] = True

    def __init__(self, partition: str) -> None:
        self._partition = as_json(partition)
        self._second_ms = NEVER_MS
        self._until_second = b""

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, hub_ms, message_id, origin, labels = event
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            if not is_date(enqueued_ms):
                return self._encode_undated(event)
            millis = self._begin_second(enqueued_ms)
        of_origin, of_labels = origin.encoded, labels.encoded
        if of_origin[0] is not JsonFormat:
            of_origin = _json_origin(origin, hub_ms)
        if of_labels[0] is not JsonFormat:
            of_labels = _json_labels(labels)
        _, key, head, before, after, is_bare = of_origin
        _, between, more, system, tail = of_labels
        try:
            content = dumps(body.decode())
            if len(content) - len(body) > COMPARED_BYTES:
                content = _shorter(content, body)
        except UnicodeDecodeError:
            content = _in_base64(body)
        value = b"".join(
            (
                head,
                dumps(offset),
                b',"sequenceNumber":',
                dumps(sequence),
                self._until_second,
                MILLIS[millis],
                between,
                b"" if message_id is None else b',"messageId":' + dumps(message_id),
                more,
                content,
                before,
                b"" if hub_ms is None else dumps(hub_ms),
                after,
                system[1:] if is_bare else system,
                tail,
            )
        )
        return new_record(Record, (key, value, None, enqueued_ms))

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return body_bytes + COMPARED_BYTES + _AROUND_BYTES  # text of nothing but quotes is twice as long in JSON

    def _encode_undated(self, event: Event) -> Record:
        """The time is a number instead of text. What stands before it is text in quotes of its own, or digits."""
        record = self.encode(event._replace(enqueued_ms=0))
        dated = b'"enqueuedTime":"%b"' % rfc3339(0).encode()
        return record._replace(
            value=record.value.replace(dated, b'"enqueuedTime":' + undated(event), 1), timestamp_ms=0
        )

    def _begin_second(self, enqueued_ms: int) -> int:
        seconds, millis = divmod(enqueued_ms, 1000)
        self._until_second = b',"partition":%b,"enqueuedTime":"%b' % (self._partition, second(seconds))
        self._second_ms = enqueued_ms - millis
        return millis


def _json_origin(origin: Origin, hub_ms: int | None) -> tuple[Any, ...]:
    """Returns the format; key; the parts before the offset, before the hub's time and after it; whether they name no property."""
    module = b"" if origin.module_id is None else b',"moduleId":' + as_json(origin.module_id)
    head = b'{"deviceId":%b%b,"offset":' % (as_json(origin.device_id), module)
    before, after = b',"systemProperties":{', _members(origin.after)
    if hub_ms is not None:
        before += b"%b%b" % (_members(origin.before)[1:] + b"," if origin.before else b"", _HUB_TIME_MEMBER)
    else:
        after = after[1:]
    origin.encoded = JsonFormat, origin.key, head, before, after, hub_ms is None and not after
    return origin.encoded


def _json_labels(labels: Labels) -> tuple[Any, ...]:
    """Returns the format; the part between the time and the message id, and from there to the content; further system
    properties; the rest."""
    between = b'","contentType":%b,"contentEncoding":%b' % (
        as_json(labels.content_type),
        as_json(labels.content_encoding),
    )
    more = b"" if labels.correlation_id is None else b',"correlationId":' + as_json(labels.correlation_id)
    if labels.body_kind != DATA and (kind := body_type(labels)) is not None:
        more += b',"bodyType":' + as_json(kind)
    tail = b'},"properties":%b}' % as_json(labels.properties)
    labels.encoded = JsonFormat, between, more + b',"content":', _members(labels.system), tail
    return labels.encoded


def _members(values: Mapping[str, Any]) -> bytes:
    """Returns the members of a JSON object, each with a comma before it."""
    return b"," + as_json(values)[1:-1] if values else b""


def _shorter(content: bytes, body: bytes) -> bytes:
    """Returns `content`, the body as JSON text, or base64 if that is shorter and the body has control characters.

    Any number of quotes and line breaks makes no difference: text stays text.
    """
    if len(body.translate(None, _CONTROL)) == len(body):
        return content
    base64 = _in_base64(body)
    return base64 if len(base64) < len(content) else content


def _in_base64(body: bytes) -> bytes:
    return dumps(encode_base64(body)) + b',"contentTransfer":"base64"'
