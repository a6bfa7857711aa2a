"""The base of the formats `connect-*`: the fields of the struct into which the old Kafka Connect connector turned an event.

They are `deviceId, offset, contentType, enqueuedTime, sequenceNumber, content`, and two maps of text to text,
`systemProperties` and `properties`; Connect's converters wrote them. Pure.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from ingest.source.events.decoder import OTHER_FIELDS, TEXT_FIELDS
from ingest.source.events.event import DATA, HUB_TIME, Event, Labels, Origin
from ingest.source.formats.contract import Record, new_record
from ingest.source.formats.java_text import date_text, instant_second, name_text, utf8_text, value_text
from ingest.source.formats.parts import body_type, kept
from ingest.source.formats.times import NEVER_MS, is_date

_DEVICE, _MODULE = "iothub-connection-device-id", "iothub-connection-module-id"
_CONTENT_TYPE = "contentType"
"""The application property that the old connector kept apart; the message's own content type is a system property."""
_BODY_TYPE = "bodyType"
_MESSAGE_ID = "message-id"
_SIGNED_32 = 1 << 31

Entries = Mapping[str, bytes]
"""The entries of a map: name → name and value as the format writes them."""


class ConnectFormat(ABC):
    """Implements `Format`, except for how fields are written. Writes what follows from `Origin` and `Labels` only once."""

    unique: ClassVar[bool] = False
    """Bytes that are not text become U+FFFD, as in the old connector."""

    def __init__(self, partition: str) -> None:
        self._second_ms = NEVER_MS
        self._second = b""
        self._hub_second_ms = NEVER_MS
        self._hub_entry = b""

    @abstractmethod
    def text(self, text: str) -> bytes:
        """Returns a text, which can contain halves of surrogate pairs, as the format writes it."""

    @abstractmethod
    def time(self, text: bytes) -> bytes:
        """Returns `enqueuedTime`, ASCII without quotes, as the format writes it."""

    @abstractmethod
    def number(self, number: int) -> bytes:
        """Returns `sequenceNumber`, of 64 bits, as the format writes it."""

    @abstractmethod
    def optional(self, text: str | None) -> bytes:
        """Returns the field `contentType`."""

    @abstractmethod
    def entry(self, name: str, value: str) -> bytes:
        """Returns an entry of a map."""

    @abstractmethod
    def map(self, entries: Iterable[bytes]) -> bytes:
        """Returns a map."""

    @abstractmethod
    def struct(self, fields: tuple[bytes, ...]) -> bytes:
        """Returns a record's value from its eight fields, in order, made by the methods above."""

    def content(self, body: bytes) -> bytes:
        """Returns the field `content`."""
        return self.text(utf8_text(body))

    def key(self, key: bytes | None) -> bytes | None:
        """Returns a record's key, made from `Origin.key`."""
        return key

    def encode(self, event: Event) -> Record:
        sequence, offset, enqueued_ms, body, hub_ms, message_id, origin, labels = event
        of_origin, of_labels = origin.encoded, labels.encoded
        if of_origin[0] is not type(self):
            of_origin = self._of_origin(origin)
        if of_labels[0] is not type(self):
            of_labels = self._of_labels(labels)
        _, key, device, before, after, is_timed = of_origin
        _, content_type, system, properties, first_data = of_labels
        # As in Java's maps, a later value of a name replaces an earlier one.
        entries = (
            {**before, **after, **system} if hub_ms is None else self._with_hub_time(before, hub_ms, after, system)
        )
        if message_id is not None and _MESSAGE_ID not in system:
            entries[_MESSAGE_ID] = self.entry(_MESSAGE_ID, message_id)
        millis = enqueued_ms - self._second_ms
        if not 0 <= millis < 1000:
            seconds, millis = divmod(enqueued_ms, 1000)
            self._second, self._second_ms = instant_second(seconds).encode(), enqueued_ms - millis
        value = self.struct(
            (
                device,
                self.text(offset),
                content_type,
                self.time(self._second + _MILLIS[millis] if is_timed else b""),
                self.number(sequence),
                self.content(body if first_data is None else first_data),
                self.map(entries.values()),
                properties,
            )
        )
        return new_record(Record, (key, value, None, enqueued_ms if is_date(enqueued_ms) else 0))

    def _with_hub_time(self, before: Entries, hub_ms: int, after: Entries, system: Entries) -> dict[str, bytes]:
        if not 0 <= hub_ms - self._hub_second_ms < 1000:
            self._hub_entry = self.entry(HUB_TIME, date_text(hub_ms))
            self._hub_second_ms = hub_ms // 1000 * 1000
        return {**before, HUB_TIME: self._hub_entry, **after, **system}

    def _of_origin(self, origin: Origin) -> tuple[Any, ...]:
        """Returns the format; key; device id; entries before and after the hub's time; whether there is an enqueued time."""
        before, after = self._entries(origin.before), self._entries(origin.after)
        if origin.module_id is not None:
            before = {_MODULE: self.entry(_MODULE, origin.module_id), **before}
        key, device = self.key(origin.key), kept(self.text(_device_id(origin)))
        origin.encoded = type(self), key, device, before, after, origin.is_timed
        return origin.encoded

    def _of_labels(self, labels: Labels) -> tuple[Any, ...]:
        """Returns the format; content type; entries of system properties; application properties; the content if it is not
        the body."""
        system = {name: self.entry(name, text) for name, text in _system_texts(labels)}
        entries: dict[str, bytes] = {}
        content_type: str | None = ""
        for key, value in labels.properties.items():
            name = name_text(key)
            if name == _CONTENT_TYPE:
                content_type = None if value is None else value_text(value)
            else:
                entries[name] = self.entry(name, value_text(value))
        content_type_field, properties = kept(self.optional(content_type)), self.map(entries.values())
        labels.encoded = type(self), content_type_field, system, properties, labels.first_data
        return labels.encoded

    def _entries(self, values: Mapping[str, Any]) -> dict[str, bytes]:
        named = ((name_text(key), value) for key, value in values.items())
        return {name: self.entry(name, value_text(value)) for name, value in named if name != _DEVICE}


_MILLIS = (b"Z", *(b".%03dZ" % millis for millis in range(1, 1000)))
"""The end of `Instant.toString()`, which has no digits for a whole second."""


def _device_id(origin: Origin) -> str:
    """Returns the device id, or "" if no device sent the event."""
    if origin.device_id is not None:
        return origin.device_id
    other = origin.before.get(_DEVICE, origin.after.get(_DEVICE))
    return "" if other is None else value_text(other)


def _system_texts(labels: Labels) -> Iterator[tuple[str, str]]:
    """Yields the fields of the section `properties` as `toString()` has them, and the type of a content that is not the body."""
    usual = {
        "correlation-id": labels.correlation_id,
        "content-type": labels.content_type,
        "content-encoding": labels.content_encoding,
    }
    for name in _FIELDS:
        value = labels.system.get(name, usual.get(name))
        if value is not None:
            if name == "group-sequence" and isinstance(value, int) and value >= _SIGNED_32:
                value -= 2 * _SIGNED_32  # Java has no unsigned numbers
            yield name, value_text(value)
    # Of several sections, the client there knew only the first.
    kind = body_type(labels) if labels.body_kind != DATA and labels.first_data is None else None
    if kind is not None:
        yield _BODY_TYPE, kind


_FIELDS = tuple(name for _, name in sorted({**OTHER_FIELDS, **TEXT_FIELDS}.items()))
