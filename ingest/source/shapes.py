"""The hot path: raw AMQP messages → events, by comparing each message with ones that came before.

Messages of IoT Hub differ in a few strings and numbers between bytes that never change. So where those are is learned from
one message; in the next of the same layout one `struct` call takes them out, and one comparison shows that all else is the
same. What the strings mean is remembered per device. Any message that differs elsewhere is decoded by
`ingest.source.message`. A fifth of the CPU time of azure-eventhub's decoder (bench, `test_codec`), for fleets of any size.
"""

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Described, Pairs
from ingest.source.event import DATA, HUB_TIME, Event, Labels, Origin
from ingest.source.message import (
    ANNOTATIONS,
    APPLICATION,
    DEVICE,
    ENQUEUED,
    MODULE,
    OFFSET,
    PROPERTIES,
    SEQUENCE_NUMBER,
    annotation_name,
    event_of,
    labels_of,
)
from ingest.source.values import is_text, label, plain, plain_text

SHAPES = 256
"""Layouts of annotations: they differ by the lengths of device ids and offsets."""
SENDERS = 4_096
"""Devices, roughly, that are remembered; some 2 KiB each."""
MISSES = 32 * SENDERS
"""So many that were not remembered for want of room mean that others send now: all is forgotten."""
LABELS = 512
LABELS_OF_A_SENDER = 4
REMEMBERED_BYTES = 4_096
"""Longer annotations, or longer sections behind them, are decoded every time: memory stays bounded."""
_ANNOTATIONS_SECTION = bytes((0x00, 0x53, ANNOTATIONS))
_PROPERTIES_SECTION = bytes((0x00, 0x53, PROPERTIES))
_DATA_SECTION, _VALUE_SECTION = bytes((0x00, 0x53, 0x75)), bytes((0x00, 0x53, 0x77))
"""Of the latter the content is as of the former if it is text or binary: JMS clients send that."""
_DEVICE_KEY = b"\xa3\x1b" + DEVICE + b"\xa1"
"""The first annotation of every message of IoT Hub: a symbol, and the type of its value, a string of a length up to 255."""
_WIDE_MAP = 0xD1
_IN_WIDE, _IN_SMALL = 3 + 9 + len(_DEVICE_KEY), 3 + 3 + len(_DEVICE_KEY)
"""Where the length of the device id is, counted from the section's first byte: behind the section's code and the map's."""

_HUB_TIME = HUB_TIME.encode()
_DEVICE, _MODULE = DEVICE.decode(), MODULE.decode()
_UINT32 = struct.Struct(">I").unpack_from
_NUMBERS = {HUB_TIME.encode(): 0x83, SEQUENCE_NUMBER: 0x81, OFFSET: 0xA1, ENQUEUED: 0x83}
"""What changes from message to message, in the service's order, and its AMQP type: timestamp, long, str8."""
_ORDERS = (list(_NUMBERS), list(_NUMBERS)[1:])
"""Events that did not come through IoT Hub's front end have no hub's time."""
_TEXTS = {0xA1: 2, 0xA3: 2, 0xB1: 5}
"""Types of values that may differ between devices, and the bytes before their text: type and length."""
_new_event: Callable[..., Event] = tuple.__new__  # half the time of a NamedTuple's own constructor

_Known = tuple[bytes, int, int, bytes, int, Labels]
"""Sections `properties` and `application-properties` up to the body's type: bytes before the message id, its place and
length, bytes behind it, length of it all, and what they mean."""


class _Sender:
    """What is remembered of one device."""

    __slots__ = ("labels", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.labels: list[_Known] = []
        """The sections between annotations and body as they came, latest first."""


class _Shape:
    """A layout of annotations: constant bytes and holes in turn, as a struct gives them."""

    __slots__ = ("_members", "constant", "has_hub_time", "names", "numbers", "senders", "size", "texts", "unpack")

    def __init__(self, layout: "_Layout", constant: tuple[bytes, ...]) -> None:
        packed = struct.Struct(layout.pattern)
        self.unpack = packed.unpack_from
        self.size = packed.size
        self.constant = constant
        self.has_hub_time = len(layout.numbers) == len(_NUMBERS)
        self.numbers = itemgetter(*layout.numbers)
        self.texts = itemgetter(*(place for _, place, _ in layout.members if place))
        self.senders: dict[Any, _Sender] = {}
        """By what `texts` takes out."""
        self._members = layout.members

    def origin(self, parts: Sequence[Any]) -> Origin:
        """What `ingest.source.message.origin_of` makes of the same annotations."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        current = before if self.has_hub_time else after
        device = module = None
        for name, place, value in self._members:
            if place:
                value = plain_text(parts[place])
            if name == HUB_TIME:
                current = after
            elif name == _DEVICE and type(value) is str:
                device = value
            elif name == _MODULE and type(value) is str:
                module = value
            else:
                current[name] = value
        return Origin(device, module, before, after)


class _Layout:
    """Where in the annotations at `at` is what. `pattern` is empty when they are not worth remembering."""

    def __init__(self, payload: bytes, at: int) -> None:
        self.pattern = ""
        self.numbers: list[int] = []
        """Places, among what the struct gives, of the holes in `_NUMBERS`."""
        self.members: list[tuple[str, int, Any]] = []
        """The other annotations and `HUB_TIME`, in order: name, place of the hole or 0, JSON value when there is none."""
        wide = payload[at + 3] == _WIDE_MAP
        count = _UINT32(payload, at + 8)[0] if wide else payload[at + 5]
        here = at + (12 if wide else 6)
        since, pattern, place = at, ">", 1
        found: list[bytes] = []
        seen: set[bytes] = set()
        for _ in range(count // 2):
            key, here = decode_as_bytes(payload, here)
            code, (value, after) = payload[here], decode_as_bytes(payload, here)
            if key in seen or type(key) is not bytes:
                return
            seen.add(key)
            start = here + _TEXTS.get(code, 1)
            if key in _NUMBERS:
                if code != _NUMBERS[key]:
                    return
                found.append(key)
                self.numbers.append(place)
            if key not in _NUMBERS or key == _HUB_TIME:
                is_hole = code in _TEXTS and key != _HUB_TIME
                self.members.append((annotation_name(key), place if is_hole else 0, plain(value)))
            if key in _NUMBERS or code in _TEXTS:
                pattern += f"{start - since}s" + (f"{after - start}s" if code in _TEXTS else "q")
                since, place = after, place + 2
            here = after
        if found in _ORDERS and DEVICE in seen and (MODULE not in seen or self._is_text(_MODULE)):
            self.pattern = pattern + (f"{here - since}s" if here > since else "")

    def _is_text(self, key: str) -> bool:
        return any(place for name, place, _ in self.members if name == key)


class Decoder:
    """Remembers the shapes and senders of one partition's messages, within the bounds above."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, _Shape] = {}
        self._senders = 0
        self._labels: dict[tuple[bytes, bytes], Labels] = {}
        self._misses = 0

    def decode(self, buf: bytes, start: int, end: int) -> Event:
        """The event of the message in `buf[start:end]`. Raises AmqpError when not even its position can be read."""
        try:
            at = start
            while buf[at + 2] < ANNOTATIONS:  # header, delivery annotations
                at += 5 + buf[at + 4] if buf[at + 3] in b"\xc0\xc1" else _skip_large(buf, at)
            # The section's sizes and the length of the device id tell layouts apart.
            shape = self._shapes.get(buf[at : at + (_IN_WIDE if buf[at + 3] == _WIDE_MAP else _IN_SMALL) + 1])
            if shape is not None:
                parts = shape.unpack(buf, at)
                if parts[::2] == shape.constant:
                    at += shape.size
                    sender = shape.senders.get(shape.texts(parts)) or self._new_sender(shape, parts)
                    if shape.has_hub_time:
                        hub_ms, sequence, offset, enqueued = shape.numbers(parts)
                    else:
                        hub_ms = None
                        sequence, offset, enqueued = shape.numbers(parts)
                    for lead, id_at, id_bytes, trail, size, known in sender.labels:
                        if buf.startswith(lead, at) and buf.startswith(trail, at + id_at + id_bytes):
                            message_id = buf[at + id_at : at + id_at + id_bytes].decode() if id_bytes else None
                            at += size
                            labels = known
                            break
                    else:
                        at, message_id, labels = self._other_labels(buf, at, end, sender)
                    # One section up to the end is a body; several, or a footer, are decoded elsewhere.
                    if buf[at] == 0xA0:
                        body = at + 2
                        last = body + buf[at + 1]
                    elif buf[at] == 0xB0:
                        body = at + 5
                        last = body + _UINT32(buf, at + 1)[0]
                    else:
                        body, last = _text_value(buf, at)
                    if last == end:
                        return _new_event(
                            Event,
                            (
                                sequence,
                                offset.decode(),
                                enqueued,
                                buf[body:end],
                                hub_ms,
                                message_id,
                                sender.origin,
                                labels,
                            ),
                        )
        except (IndexError, struct.error, AmqpError, UnicodeDecodeError):
            pass
        return self._unknown(buf[start:end])

    def _unknown(self, payload: bytes) -> Event:
        event = event_of(payload)
        if event.body_kind == DATA:
            self._learn(payload)
        return event

    def _new_sender(self, shape: _Shape, parts: Sequence[Any]) -> _Sender:
        sender = _Sender(shape.origin(parts))
        if self._senders < SENDERS:
            self._senders += 1
            shape.senders[shape.texts(parts)] = sender
        else:
            self._miss()
        return sender

    def _miss(self) -> None:
        self._misses += 1
        if self._misses >= MISSES:
            self._shapes.clear()
            self._senders = self._misses = 0

    def _other_labels(self, buf: bytes, at: int, end: int, sender: _Sender) -> tuple[int, str | None, Labels]:
        """Decodes the sections from `at` to the body's type byte, and remembers them."""
        start = at
        properties: Any = ()
        application: Any = {}
        while (code := buf[at + 2]) in (PROPERTIES, APPLICATION):
            if code == PROPERTIES and at != start:
                raise AmqpError("A second set of properties; the message id is in the last one.")
            section, at = decode_as_bytes(buf, at)
            if type(section) is not Described or section.descriptor != code:
                raise AmqpError("No section.")
            if code == PROPERTIES:
                properties = section.value
            else:
                application = section.value
        at += len(_DATA_SECTION)
        if not buf.startswith((_DATA_SECTION, _VALUE_SECTION), at - len(_DATA_SECTION)) or at >= end:
            raise AmqpError("No section with a content.")
        if not isinstance(properties, list | tuple) or not isinstance(application, dict | Pairs):
            raise AmqpError("Sections of other types than theirs.")
        message_id = label(properties[0]) if properties else None
        if message_id is not None and not is_text(properties[0]):
            return at, message_id, labels_of(properties, application)  # which tell of the id
        raw = buf[start:at]
        id_at, id_bytes = _message_id(raw)
        lead, trail = raw[:id_at], raw[id_at + id_bytes :]
        labels = self._labels.get((lead, trail)) or labels_of(properties, application)
        # Without a hole of its own a message id would be taken for a part of what never changes.
        if (id_bytes or message_id is None) and len(raw) <= REMEMBERED_BYTES:
            if len(self._labels) >= LABELS:
                self._labels.clear()
            self._labels[lead, trail] = labels
            known = (lead, id_at, id_bytes, trail, len(raw), labels)
            sender.labels = [known, *sender.labels[: LABELS_OF_A_SENDER - 1]]
        return at, message_id, labels

    def _learn(self, payload: bytes) -> None:
        if len(self._shapes) >= SHAPES:
            self._miss()
            return
        try:
            at = 0
            while payload[at + 2] < ANNOTATIONS:
                _, at = decode_as_bytes(payload, at)
            _, end = decode_as_bytes(payload, at)
            length_at = at + (_IN_WIDE if payload[at + 3] == _WIDE_MAP else _IN_SMALL)
            if (
                not payload.startswith(_ANNOTATIONS_SECTION, at)
                or not payload.startswith(_DEVICE_KEY, length_at - len(_DEVICE_KEY))
                or end - at > REMEMBERED_BYTES
            ):
                return
            layout = _Layout(payload, at)
            if layout.pattern:
                constant = struct.unpack_from(layout.pattern, payload, at)[::2]
                replaced = self._shapes.get(payload[at : length_at + 1])
                self._senders -= len(replaced.senders) if replaced is not None else 0
                self._shapes[payload[at : length_at + 1]] = _Shape(layout, constant)
        except (IndexError, AmqpError):
            return  # an event all the same, but of a layout that is not worth remembering


def _text_value(buf: bytes, at: int) -> tuple[int, int]:
    """First byte and end of the string that is the value of an amqp-value section; -1 as its end when there is none."""
    if not buf.startswith(_VALUE_SECTION, at - len(_VALUE_SECTION)) or buf[at] not in b"\xa1\xb1":
        return at, -1
    return (at + 2, at + 2 + buf[at + 1]) if buf[at] == 0xA1 else (at + 5, at + 5 + int(_UINT32(buf, at + 1)[0]))


def _message_id(raw: bytes) -> tuple[int, int]:
    """First byte and length of the message id in encoded `properties`, if it is a string up to 255 bytes and not empty."""
    if raw.startswith(_PROPERTIES_SECTION):
        code_at = 6 if raw[3] == 0xC0 else 12
        if raw[3] in (0xC0, 0xD0) and raw[code_at] == 0xA1 and raw[code_at - 1]:
            return code_at + 2, raw[code_at + 1]
    return len(raw), 0


def _skip_large(buf: bytes, at: int) -> int:
    if buf[at + 3] not in b"\xd0\xd1":
        raise AmqpError("A section that is no list and no map.")
    return 8 + int(_UINT32(buf, at + 4)[0])
