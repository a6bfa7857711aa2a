"""Where each annotation of a message is: learned from one message, used for all of the same layout."""

import struct
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.errors import AmqpError
from ingest.source.events.decoder import ANNOTATIONS, DEVICE, ENQUEUED, MODULE, OFFSET, SEQUENCE_NUMBER, annotation_name
from ingest.source.events.event import HUB_TIME, Origin
from ingest.source.events.values import plain

LONGEST = 4_096
"""Bytes. Longer annotations are decoded every time."""
COST_OF_A_SHAPE, COST_OF_A_SENDER, COST_OF_A_MEMBER = 2_500, 1_000, 200
"""Bytes of the objects themselves, as `test_shapes` measures them in CPython."""
WIDE_MAP = 0xD1
_SECTION = bytes((0x00, 0x53, ANNOTATIONS))
_DEVICE_KEY = b"\xa3\x1b" + DEVICE + b"\xa1"
"""The first annotation of every message of IoT Hub: a symbol, and the type of its value, a string of a length up to 255."""
IN_WIDE, IN_SMALL = 3 + 9 + len(_DEVICE_KEY), 3 + 3 + len(_DEVICE_KEY)
"""Where the length of the device id is, from the section's first byte: after the section's code and the map's."""

_HUB_TIME = HUB_TIME.encode()
_DEVICE, _MODULE = DEVICE.decode(), MODULE.decode()
_UINT32 = struct.Struct(">I").unpack_from
_NUMBERS = {_HUB_TIME: 0x83, SEQUENCE_NUMBER: 0x81, OFFSET: 0xA1, ENQUEUED: 0x83}
"""What changes from message to message, in the service's order, and its AMQP type: timestamp, long, str8."""
_ORDERS = (list(_NUMBERS), list(_NUMBERS)[1:])
"""Events that did not come through IoT Hub's front end lack the hub's time."""
_TEXTS = {0xA1: 2, 0xA3: 2, 0xB1: 5}
"""Types of values that can differ between devices, and the bytes before their text: type and length."""
_SIMPLE = range(0x40, 0xC0)
"""Types that hold no other values, except the empty list: those that do can become far larger in memory."""
_EMPTY_LIST = 0x45


def find(payload: bytes) -> tuple[bytes, int] | None:
    """Returns the key of the message's layout, and where its annotations begin; None if not worth learning."""
    try:
        at = 0
        while payload[at + 2] < ANNOTATIONS:  # header, delivery annotations
            _, at = decode_as_bytes(payload, at)
        length_at = at + (IN_WIDE if payload[at + 3] == WIDE_MAP else IN_SMALL)
    except (IndexError, AmqpError):
        return None
    if not payload.startswith(_SECTION, at) or not payload.startswith(_DEVICE_KEY, length_at - len(_DEVICE_KEY)):
        return None
    return payload[at : length_at + 1], at


def learn(payload: bytes, at: int) -> "Shape | None":
    """Returns the layout of the annotations that begin at `at`; None if they are not worth learning."""
    try:
        _, end = decode_as_bytes(payload, at)
        layout = _Layout(payload, at)
    except (IndexError, AmqpError):
        return None
    if not layout.pattern or end - at > LONGEST:
        return None
    return Shape(layout, struct.unpack_from(layout.pattern, payload, at)[::2])


class Shape:
    """A layout of annotations: constant bytes and holes in turn, as a struct gives them."""

    __slots__ = (
        "_after",
        "_before",
        "_cost_of_sender",
        "_device",
        "_has_several",
        "_module",
        "constant",
        "cost",
        "has_hub_time",
        "misfits",
        "numbers",
        "senders",
        "size",
        "texts",
        "unpack",
    )

    def __init__(self, layout: "_Layout", constant: tuple[bytes, ...]) -> None:
        packed = struct.Struct(layout.pattern)
        self.unpack = packed.unpack_from
        self.size = packed.size
        self.constant = constant
        self.misfits = 0
        """Messages of another layout that were found by the same key."""
        self.has_hub_time = len(layout.numbers) == len(_NUMBERS)
        self.numbers = itemgetter(*layout.numbers)
        texts = [place for _, place, _ in layout.members if place]
        self.texts = itemgetter(*texts)
        self._has_several = len(texts) > 1
        places = {name: place for name, place, _ in layout.members}
        self._device, self._module = places[_DEVICE], places.get(_MODULE, 0)
        names = list(places)
        since = names.index(HUB_TIME) if self.has_hub_time else 0
        members = [member for member in layout.members if member[0] not in (_DEVICE, _MODULE, HUB_TIME)]
        self._before = [member for member in members if names.index(member[0]) < since]
        self._after = [member for member in members if names.index(member[0]) >= since]
        self.cost = COST_OF_A_SHAPE + 4 * self.size + len(names) * COST_OF_A_MEMBER
        """Roughly the bytes that this layout takes in the cache, with its senders."""
        self.senders: dict[Any, Any] = {}
        """What the decoder remembers of each, by what `texts` takes out."""
        self._cost_of_sender = COST_OF_A_SENDER + len(names) * COST_OF_A_MEMBER

    def fits(self, payload: bytes, at: int) -> bool:
        """Whether the annotations that begin at `at` have this layout."""
        return len(payload) - at >= self.size and self.unpack(payload, at)[::2] == self.constant

    def cost_of_sender(self, parts: Sequence[Any]) -> int:
        """Like `cost`, for one more origin, with what a record format makes of it later."""
        text = b"".join(self.texts(parts)) if self._has_several else self.texts(parts)
        is_plain = text.isascii() and text.decode().isprintable()
        return self._cost_of_sender + len(text) * (5 if is_plain else 10)

    def origin(self, parts: Sequence[Any]) -> Origin:
        """Returns what `ingest.source.events.decoder.origin_of` makes of the same annotations.

        Raises UnicodeDecodeError if a text is not UTF-8."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for name, place, value in self._before:
            before[name] = parts[place].decode() if place else value
        for name, place, value in self._after:
            after[name] = parts[place].decode() if place else value
        return Origin(
            parts[self._device].decode(), parts[self._module].decode() if self._module else None, before, after
        )


class _Layout:
    """Where each of the annotations at `at` is. `pattern` is empty if they are not worth remembering."""

    def __init__(self, payload: bytes, at: int) -> None:
        self.pattern = ""
        self.numbers: list[int] = []
        """Places, among what the struct gives, of the holes in `_NUMBERS`."""
        self.members: list[tuple[str, int, Any]] = []
        """The other annotations and `HUB_TIME`, in order: name, place of the hole or 0, JSON value without one."""
        wide = payload[at + 3] == WIDE_MAP
        count = _UINT32(payload, at + 8)[0] if wide else payload[at + 5]
        here = at + (12 if wide else 6)
        since, pattern, place = at, ">", 1
        found: list[bytes] = []
        seen: set[bytes] = set()
        for _ in range(count // 2):
            key, here = decode_as_bytes(payload, here)
            code, (value, after) = payload[here], decode_as_bytes(payload, here)
            if key in seen or type(key) is not bytes or code not in _SIMPLE or code == _EMPTY_LIST:
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
