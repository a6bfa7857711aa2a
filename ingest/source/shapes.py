"""The hot path: raw AMQP messages → events, by comparing each message with ones that came before.

Messages of one device differ in four numbers, the offset's digits and the body. So the bytes between those are compared as
a whole (one `struct` call, one tuple comparison) instead of decoded, and what they mean is remembered. Any message that
differs elsewhere is decoded by `ingest.source.message`, and its shape is learned. CPU per message on the machine of
bench/README.md, `test_codec`: about a twentieth of azure-eventhub's decoder.
"""

import struct
from collections.abc import Callable
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Described
from ingest.source.event import HUB_TIME, Event, Labels, Origin, text_or_none
from ingest.source.message import (
    ANNOTATIONS,
    APPLICATION,
    DEVICE,
    ENQUEUED,
    OFFSET,
    PROPERTIES,
    SEQUENCE_NUMBER,
    event_of,
    labels_of,
    origin_of,
)

SHAPES = 2_048
"""Devices, roughly, whose shape is remembered. A few KiB each."""
SHAPE_MISSES = 32 * SHAPES
"""So many misses while the memory is full mean that the devices are others now: all is forgotten."""
LABELS = 512
LABELS_OF_A_SHAPE = 4
REMEMBERED_BYTES = 4_096
"""Longer annotations, or longer sections behind them, are decoded every time: memory stays bounded."""
_ANNOTATIONS_SECTION = bytes((0x00, 0x53, ANNOTATIONS))
_PROPERTIES_SECTION = bytes((0x00, 0x53, PROPERTIES))
_DATA_SECTION = bytes((0x00, 0x53, 0x75))
_DEVICE_KEY = b"\xa3\x1b" + DEVICE + b"\xa1"
"""The first annotation of every message of IoT Hub: a symbol, and the type of its value, a string of a length up to 255."""
_WIDE_MAP = 0xD1
_IN_WIDE, _IN_SMALL = 3 + 9 + len(_DEVICE_KEY), 3 + 3 + len(_DEVICE_KEY)
"""Where the length of the device id is, counted from the section's first byte: behind the section's code and the map's."""

_UINT32 = struct.Struct(">I").unpack_from
_HOLES = {HUB_TIME.encode(): 0x83, SEQUENCE_NUMBER: 0x81, OFFSET: 0xA1, ENQUEUED: 0x83}
"""What changes from message to message, in the service's order, and its AMQP type: timestamp, long, str8."""
_ORDERS = (list(_HOLES), list(_HOLES)[1:])
"""Events that did not come through IoT Hub's front end have no hub's time."""
_new_event: Callable[..., Event] = tuple.__new__  # half the time of a NamedTuple's own constructor


_Known = tuple[bytes, int, int, bytes, int, Labels]
"""Sections `properties` and `application-properties` up to the body's type: bytes before the message id, its place and
length, bytes behind it, length of it all, and what they mean."""


class _Shape:
    """The annotations of one device's messages: constant bytes, and what stands in the holes between them."""

    __slots__ = ("constant", "has_hub_time", "labels", "origin", "size", "unpack")

    def __init__(self, layout: struct.Struct, constant: tuple[bytes, ...], origin: Origin) -> None:
        self.unpack = layout.unpack_from
        self.size = layout.size
        self.constant = constant
        self.has_hub_time = len(constant) == len(_HOLES)
        self.origin = origin
        self.labels: list[_Known] = []
        """The sections between annotations and body as they came, latest first."""


class Decoder:
    """Remembers the shapes of one partition's messages. Bounded: `SHAPES` of `LABELS_OF_A_SHAPE` each, and `LABELS`."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, _Shape] = {}
        self._labels: dict[tuple[bytes, bytes], Labels] = {}
        self._layouts: dict[str, struct.Struct] = {}
        self._misses = 0

    def decode(self, buf: bytes, start: int, end: int) -> Event:
        """The event of the message in `buf[start:end]`. Raises AmqpError when not even its position can be read."""
        try:
            at = start
            while buf[at + 2] < ANNOTATIONS:  # header, delivery annotations
                at += 5 + buf[at + 4] if buf[at + 3] in b"\xc0\xc1" else _skip_large(buf, at)
            length_at = at + (_IN_WIDE if buf[at + 3] == _WIDE_MAP else _IN_SMALL)
            shape = self._shapes.get(buf[at : length_at + 1 + buf[length_at]])
            if shape is not None:
                constant: tuple[bytes, ...]
                if shape.has_hub_time:
                    c0, hub_ms, c1, sequence, c2, offset, c3, enqueued = shape.unpack(buf, at)
                    constant = (c0, c1, c2, c3)
                else:
                    hub_ms = None
                    c1, sequence, c2, offset, c3, enqueued = shape.unpack(buf, at)
                    constant = (c1, c2, c3)
                if constant == shape.constant:
                    at += shape.size
                    for lead, id_at, id_bytes, trail, size, known in shape.labels:
                        if buf.startswith(lead, at) and buf.startswith(trail, at + id_at + id_bytes):
                            message_id = buf[at + id_at : at + id_at + id_bytes].decode() if id_bytes else None
                            at += size
                            labels = known
                            break
                    else:
                        at, message_id, labels = self._other_labels(buf, at, end, shape)
                    # One data section up to the end is a body; several, or a footer, are decoded elsewhere.
                    if buf[at] == 0xA0:
                        body = at + 2
                        last = body + buf[at + 1]
                    elif buf[at] == 0xB0:
                        body = at + 5
                        last = body + _UINT32(buf, at + 1)[0]
                    else:
                        last = -1
                    if last == end:
                        return _new_event(
                            Event,
                            (
                                sequence,
                                offset.decode(),
                                enqueued,
                                buf[body:end],
                                "data",
                                hub_ms,
                                message_id,
                                shape.origin,
                                labels,
                            ),
                        )
        except (IndexError, struct.error, AmqpError, UnicodeDecodeError):
            pass
        return self._unknown(buf[start:end])

    def _unknown(self, payload: bytes) -> Event:
        event = event_of(payload)
        if event.body_kind == "data":
            self._learn(payload)
        return event

    def _other_labels(self, buf: bytes, at: int, end: int, shape: _Shape) -> tuple[int, str | None, Labels]:
        """Decodes the sections from `at` to the body's type byte, and remembers them."""
        start = at
        properties: Any = ()
        application: Any = {}
        while (code := buf[at + 2]) in (PROPERTIES, APPLICATION):
            section, at = decode_as_bytes(buf, at)
            if type(section) is not Described or section.descriptor != code:
                raise AmqpError("No section.")
            if code == PROPERTIES:
                properties = section.value
            else:
                application = section.value
        at += len(_DATA_SECTION)
        if not buf.startswith(_DATA_SECTION, at - len(_DATA_SECTION)) or at >= end:
            raise AmqpError("No data section.")
        if not isinstance(properties, list | tuple) or not isinstance(application, dict):
            raise AmqpError("Sections of other types than theirs.")
        message_id = text_or_none(properties[0]) if properties else None
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
            shape.labels = [known, *shape.labels[: LABELS_OF_A_SHAPE - 1]]
        return at, message_id, labels

    def _learn(self, payload: bytes) -> None:
        if len(self._shapes) >= SHAPES:
            self._misses += 1
            if self._misses < SHAPE_MISSES:
                return
            self._shapes.clear()
            self._misses = 0
        try:
            at = 0
            while payload[at + 2] < ANNOTATIONS:
                _, at = decode_as_bytes(payload, at)
            section, end = decode_as_bytes(payload, at)
            if not payload.startswith(_ANNOTATIONS_SECTION, at) or end - at > REMEMBERED_BYTES:
                return
            length_at = at + (_IN_WIDE if payload[at + 3] == _WIDE_MAP else _IN_SMALL)
            pattern = _holes(payload, at)
            if pattern is None or not payload.startswith(_DEVICE_KEY, length_at - len(_DEVICE_KEY)):
                return
            layout = self._layouts.get(pattern)
            if layout is None:
                if len(self._layouts) >= SHAPES:
                    self._layouts.clear()
                layout = self._layouts[pattern] = struct.Struct(pattern)
            # Not the event's origin: that is of the last section of this kind, should there be two.
            origin, _ = origin_of(section.value)
            shape = _Shape(layout, layout.unpack_from(payload, at)[::2], origin)
            self._shapes[payload[at : length_at + 1 + payload[length_at]]] = shape
        except (IndexError, AmqpError):
            return  # an event all the same, but of a layout that is not worth remembering


def _message_id(raw: bytes) -> tuple[int, int]:
    """First byte and length of the message id in encoded `properties`, if it is a string up to 255 bytes and not empty."""
    if raw.startswith(_PROPERTIES_SECTION):
        code_at = 6 if raw[3] == 0xC0 else 12
        if raw[3] in (0xC0, 0xD0) and raw[code_at] == 0xA1 and raw[code_at - 1]:
            return code_at + 2, raw[code_at + 1]
    return len(raw), 0


def _holes(payload: bytes, at: int) -> str | None:
    """The layout of the annotations at `at` as a struct format: constant bytes and holes in turn.

    None when the holes are not the usual ones, each once and in the usual order.
    """
    wide = payload[at + 3] == _WIDE_MAP
    count = _UINT32(payload, at + 8)[0] if wide else payload[at + 5]
    here = at + (12 if wide else 6)
    since, seen = at, set[bytes]()
    found: list[bytes] = []
    pattern = ">"
    for _ in range(count // 2):
        key, here = decode_as_bytes(payload, here)
        code, (_, after) = payload[here], decode_as_bytes(payload, here)
        if key in seen:
            return None
        seen.add(key)
        if key in _HOLES:
            if code != _HOLES[key]:
                return None
            found.append(key)
            start = here + (2 if key == OFFSET else 1)
            pattern += f"{start - since}s" + (f"{after - start}s" if key == OFFSET else "q")
            since = after
        here = after
    return pattern if found in _ORDERS and since == here else None


def _skip_large(buf: bytes, at: int) -> int:
    if buf[at + 3] not in b"\xd0\xd1":
        raise AmqpError("A section that is no list and no map.")
    return 8 + int(_UINT32(buf, at + 4)[0])
