"""Format `raw`: the body unchanged, everything else in headers; and back, for `ingest redrive`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from ingest.kafka.header_names import Header
from ingest.source.events.decoder import OF_PROPERTIES
from ingest.source.events.event import DATA, HUB_TIME, Event, Labels, Origin
from ingest.source.formats.contract import Headers, Record, new_record
from ingest.source.formats.parts import NUMBERS, as_json, body_type, dumps, kept
from ingest.source.formats.times import MILLIS, NEVER_MS, is_date, second, undated, unix_ms

_FIELDS = frozenset(
    (
        "bodyType",
        "contentEncoding",
        "contentType",
        "correlationId",
        "deviceId",
        "enqueuedTime",
        "messageId",
        "moduleId",
        "offset",
        "sequenceNumber",
    )
)
"""The headers that are fields of an event, not properties."""
JSON_HEADER = "json"
"""The header that names those with a JSON value instead of text."""


_AROUND_BYTES = 1_024
"""More than the names of headers, position, partition and times need."""
_HUB_TIME_HEADER = f"s-{HUB_TIME}"


class RawFormat:
    """The body unchanged as the value; everything else in headers: properties prefixed `p-`, system properties `s-`."""

    unique: ClassVar[bool] = True

    def __init__(self, partition: str) -> None:
        self._partition = ("partition", partition.encode())
        self._second_ms = NEVER_MS
        self._second = b""

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, hub_ms, message_id, origin, labels = event
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            if not is_date(enqueued_ms):
                return self._encode_undated(event)
            seconds, millis = divmod(enqueued_ms, 1000)
            self._second, self._second_ms = second(seconds), enqueued_ms - millis
        of_origin, of_labels = origin.encoded, labels.encoded
        if of_origin[0] is not RawFormat:
            of_origin = _raw_origin(origin)
        if of_labels[0] is not RawFormat:
            of_labels = _raw_labels(labels)
        _, key, device, before, after = of_origin
        _, described, correlation, system = of_labels
        headers: Headers = [
            ("offset", offset.encode()),
            ("sequenceNumber", b"%d" % sequence),
            self._partition,
            ("enqueuedTime", self._second + MILLIS[millis]),
            *device,
            *described,
        ]
        if message_id is not None:
            headers.append(("messageId", message_id.encode()))
        if correlation:
            headers += correlation
        headers += before
        if hub_ms is not None:
            headers.append((_HUB_TIME_HEADER, b"%d" % hub_ms))
        headers += after
        headers += system
        return new_record(Record, (key, body, headers, enqueued_ms))

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return _AROUND_BYTES

    def _encode_undated(self, event: Event) -> Record:
        record = self.encode(event._replace(enqueued_ms=0))
        assert record.headers is not None
        headers: Headers = [
            (name, undated(event) if name == "enqueuedTime" else value) for name, value in record.headers
        ]
        return record._replace(headers=[*headers, (JSON_HEADER, dumps(["enqueuedTime"]))], timestamp_ms=0)


def _raw_origin(origin: Origin) -> tuple[Any, ...]:
    device = _present(("deviceId", origin.device_id), ("moduleId", origin.module_id))
    after = _named("s", origin.after) + _json_names("s", {**origin.before, **origin.after})
    origin.encoded = RawFormat, origin.key, device, _named("s", origin.before), after
    return origin.encoded


def _raw_labels(labels: Labels) -> tuple[Any, ...]:
    described = _present(("contentType", labels.content_type), ("contentEncoding", labels.content_encoding))
    described += _present(("bodyType", body_type(labels)))
    correlation = _present(("correlationId", labels.correlation_id))
    named = _named("s", labels.system) + _named("p", labels.properties)
    named += _json_names("s", labels.system) + _json_names("p", labels.properties)
    labels.encoded = RawFormat, described, correlation, named
    return labels.encoded


def _present(*fields: tuple[str, str | None]) -> Headers:
    return [(name, value.encode()) for name, value in fields if value is not None]


def _named(prefix: str, values: Mapping[str, Any]) -> Headers:
    named: Headers = [
        (f"{prefix}-{name}", kept(as_json(value)) if _is_json(prefix, name, value) else value.encode())
        for name, value in values.items()
    ]
    for name, _ in named:
        name.encode()  # raises for half a surrogate pair, which would crash confluent-kafka 2.16
    return named


def _is_json(prefix: str, name: str, value: Any) -> bool:
    return not isinstance(value, str) or (prefix == "s" and name in NUMBERS)


def _json_names(prefix: str, values: Mapping[str, Any]) -> Headers:
    """Returns a header that names those of `_named` that are not text, unless their names already say so."""
    names = [
        f"{prefix}-{name}"
        for name, value in values.items()
        if _is_json(prefix, name, value) and not (prefix == "s" and name in NUMBERS and type(value) is int)
    ]
    return [(JSON_HEADER, kept(as_json(names)))] if names else []


def event_of_record(headers: Sequence[Header], value: bytes) -> Event:
    """Returns the event of a record of format `raw`. Ignores headers that other programs have added.

    Raises KeyError, ValueError or TypeError if the headers are not those of such a record.
    """
    texts: dict[str, str] = {}
    is_json: set[str] = set()
    for name, raw in headers:
        if name == JSON_HEADER:
            is_json |= set(orjson.loads(raw or b""))
        elif raw is not None and (name in _FIELDS or name[:2] in ("s-", "p-")):
            texts.setdefault(name, str(raw, "utf-8") if isinstance(raw, bytes) else raw)

    def typed(name: str) -> Any:
        # A system property whose name says that it is a number, or a header that is listed as JSON.
        return orjson.loads(texts[name]) if name in is_json or name[2:] in NUMBERS else texts[name]

    system = {name[2:]: typed(name) for name in texts if name.startswith("s-")}
    time = (
        orjson.loads(texts["enqueuedTime"])["$timestamp"]
        if "enqueuedTime" in is_json
        else unix_ms(texts["enqueuedTime"])
    )
    origin, hub_ms = _origin(texts, {name: item for name, item in system.items() if name not in OF_PROPERTIES})
    labels = Labels(
        texts.get("correlationId"),
        texts.get("contentType"),
        texts.get("contentEncoding"),
        {name: item for name, item in system.items() if name in OF_PROPERTIES},
        {name[2:]: orjson.loads(texts[name]) if name in is_json else texts[name] for name in texts if name[:2] == "p-"},
        texts.get("bodyType", DATA),
    )
    return Event(
        int(texts["sequenceNumber"]), texts["offset"], time, value, hub_ms, texts.get("messageId"), origin, labels
    )


def _origin(texts: Mapping[str, str], annotations: Mapping[str, Any]) -> tuple[Origin, int | None]:
    hub_ms = annotations.get(HUB_TIME)
    hub_ms = hub_ms if type(hub_ms) is int else None
    names = list(annotations)
    place = names.index(HUB_TIME) if hub_ms is not None else 0
    before = {name: annotations[name] for name in names[:place]}
    after = {name: annotations[name] for name in names[place + (hub_ms is not None) :]}
    return Origin(texts.get("deviceId"), texts.get("moduleId"), before, after), hub_ms
