"""The hot path: raw AMQP messages → events, by comparing each message with ones that came before.

The annotations of IoT Hub's messages differ in a few strings and numbers between bytes that never change. Their places
are learned from one message (`ingest.source.events.layout`); in the next of the same layout one `struct` call takes
them out, and one comparison shows that all else is the same. Who sent it is remembered per device. So is what a device
says besides its content, if it says it again: one comparison finds it. Otherwise it is read by
`ingest.source.events.sections`. Any other message is decoded by `ingest.source.events.decoder`.

What is remembered is bounded in bytes by `BUDGET`, whatever is sent.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from ingest.amqp.errors import AmqpError
from ingest.source.events.decoder import ANNOTATIONS, event_of
from ingest.source.events.event import DATA, Event, Labels, Origin
from ingest.source.events.layout import IN_SMALL, IN_WIDE, WIDE_MAP, Shape, find, learn
from ingest.source.events.sections import Sections
from ingest.source.events.values import json_of

BUDGET = 6 << 20
"""Bytes for all that is remembered, with what record formats cache in it: at least what CPython takes for it."""
BUDGET_OF_SENDERS = 5 << 20
"""The part of these for devices. The rest is for new layouts and labels."""
MISSES = 131_072
"""After this many cache misses for lack of room, other devices send now: everything is forgotten."""
MISFITS = 64
"""After this many messages of another layout under its key, a layout is dropped, with its senders."""
TWICE = 4_096
"""Slots for hashes of what came once. Labels and layouts are remembered only when they come again, so that those that
change with every event cost no memory."""
LABELS_OF_A_SENDER = 4
COST_OF_LABELS = 1_200
COST_OF_A_MEMBER = 400
"""Bytes of the objects themselves, as `test_shapes` measures them in CPython."""
LONGEST_LABELS = 4_096
"""Bytes. Longer ones are read every time."""
_DATA_SECTION, _VALUE_SECTION = bytes((0x00, 0x53, 0x75)), bytes((0x00, 0x53, 0x77))
"""The second has the same content as the first if it is text or binary: JMS clients send that."""
_UINT32 = struct.Struct(">I").unpack_from
_new_event: Callable[..., Event] = tuple.__new__  # half the time of a NamedTuple's own constructor

_Known = tuple[bytes, int, int, bytes, int, Labels]
"""Sections `properties` and `application-properties` up to the body's type: bytes before the message id, its place and
length, bytes after it, total length, and what they mean."""


class _Sender:
    """What is remembered of one device."""

    __slots__ = ("labels", "origin")

    def __init__(self, origin: Origin, labels: list[_Known]) -> None:
        self.origin = origin
        self.labels = labels
        """The sections between annotations and body as they came, latest first."""


class TemplateDecoder:
    """Remembers the layouts, senders and labels of one partition's messages, within the bounds above."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, Shape] = {}
        self._known: dict[tuple[bytes, bytes], _Known] = {}
        self._stranger = _Sender(Origin(None, None, {}, {}), [])
        """Stands for every device for which there is no room. They share what is remembered of their labels."""
        self._once = [0] * TWICE
        self._read_labels = Sections().labels
        self._bytes = 0
        self._is_full = False
        """Whether a sender has found no room."""
        self._misses = 0

    def decode(self, buf: bytes, start: int, end: int) -> Event:
        """Returns the event in `buf[start:end]`. Raises AmqpError if not even its position can be read."""
        try:
            at = start
            while buf[at + 2] < ANNOTATIONS:  # header, delivery annotations
                at += 5 + buf[at + 4] if buf[at + 3] in b"\xc0\xc1" else _skip_large(buf, at)
            # The section's sizes and the length of the device id identify the layout.
            shape = self._shapes.get(buf[at : at + (IN_WIDE if buf[at + 3] == WIDE_MAP else IN_SMALL) + 1])
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

    def _learn(self, payload: bytes) -> None:
        found = find(payload)
        if found is None:
            return
        key, at = found
        before = self._shapes.get(key)
        if before is not None and before.fits(payload, at):
            return  # what is unusual comes after the annotations
        if before is not None:
            before.misfits += 1
            if before.misfits < MISFITS:
                return
        elif not self._came_before(key):
            return
        shape = learn(payload, at)
        if shape is not None and self._has_room(shape.cost, BUDGET):
            self._bytes -= before.cost if before is not None else 0
            self._shapes[key] = shape
            self._is_full = False

    def _new_sender(self, shape: Shape, parts: Sequence[Any]) -> _Sender:
        """Returns the sender, remembered if there is room; otherwise valid only until the next such call."""
        origin = shape.origin(parts)
        cost = BUDGET if self._is_full else shape.cost_of_sender(parts)
        if self._has_room(cost, BUDGET_OF_SENDERS):
            shape.cost += cost
            shape.senders[shape.texts(parts)] = sender = _Sender(origin, [])
            return sender
        self._is_full = True
        self._stranger.origin = origin
        return self._stranger

    def _other_labels(self, buf: bytes, at: int, end: int, sender: _Sender) -> tuple[int, str | None, Labels]:
        """Reads the sections from `at` to the body's type byte; remembers them if they came before."""
        start = at
        labels, message_id, at = self._read_labels(buf, at, end)
        if not buf.startswith((_DATA_SECTION, _VALUE_SECTION), at) or at + len(_DATA_SECTION) >= end:
            raise AmqpError("No section with a content.")
        at += len(_DATA_SECTION)
        id_at, id_bytes = _message_id(buf, start) if message_id is not None else (0, 0)
        # Without its own hole, a message id would count as part of what never changes.
        if (message_id is None or id_bytes) and at - start <= LONGEST_LABELS:
            trail = buf[start + id_at + id_bytes : at]
            if self._came_before(trail):
                lead = buf[start : start + id_at]
                known = self._known.get((lead, trail))
                if known is None:
                    if not self._has_room(_cost_of_labels(at - start, labels), BUDGET):
                        return at, message_id, labels
                    self._known[lead, trail] = known = (lead, id_at, id_bytes, trail, at - start, labels)
                sender.labels.insert(0, known)
                del sender.labels[LABELS_OF_A_SENDER:]
                return at, message_id, known[5]
        return at, message_id, labels

    def _came_before(self, what: object) -> bool:
        """Whether it came before, not too long ago."""
        number = hash(what)
        place = number % TWICE
        came, self._once[place] = self._once[place] == number, number
        return came

    def _has_room(self, cost: int, budget: int) -> bool:
        """Whether this many bytes can be remembered. After too many misses, everything is forgotten."""
        if self._bytes + cost <= budget:
            self._bytes += cost
            return True
        self._misses += 1
        if self._misses >= MISSES:
            self._shapes.clear()
            self._known.clear()
            self._stranger.labels.clear()
            self._bytes = self._misses = 0
            self._is_full = False
        return False


def _cost_of_labels(size: int, labels: Labels) -> int:
    """Returns roughly the bytes remembered for these sections, with what a record format makes of them later."""
    members = [labels.correlation_id, labels.content_type, labels.content_encoding, labels.system, labels.properties]
    text = json_of(members)
    count = len(members) + len(labels.system) + len(labels.properties)
    return COST_OF_LABELS + count * COST_OF_A_MEMBER + 2 * len(text) + size * (2 if text.isascii() else 5)


def _text_value(buf: bytes, at: int) -> tuple[int, int]:
    """Returns first byte and end of the string in an amqp-value section; -1 as the end if it is not a string."""
    if not buf.startswith(_VALUE_SECTION, at - len(_VALUE_SECTION)) or buf[at] not in b"\xa1\xb1":
        return at, -1
    return (at + 2, at + 2 + buf[at + 1]) if buf[at] == 0xA1 else (at + 5, at + 5 + int(_UINT32(buf, at + 1)[0]))


def _message_id(buf: bytes, at: int) -> tuple[int, int]:
    """Returns where in the `properties` at `at` the message id is, and its length; zeros if it is not a short text."""
    code_at = 6 if buf[at + 3] == 0xC0 else 12
    return (code_at + 2, buf[at + code_at + 1]) if buf[at + code_at] == 0xA1 and buf[at + code_at + 1] else (0, 0)


def _skip_large(buf: bytes, at: int) -> int:
    if buf[at + 3] not in b"\xd0\xd1":
        raise AmqpError("A section that is no list and no map.")
    return 8 + int(_UINT32(buf, at + 4)[0])
