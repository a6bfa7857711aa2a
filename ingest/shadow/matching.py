"""Finds the two records of each event, and what has none or another one. Pure.

No record of the old connector says which partition of the hub its event is of. The hub keeps all events of a device in one
partition, so a device and a sequence number are one event. Events that no device sent are known by all of their position:
sequence number, offset and time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import orjson

from ingest.shadow.differences import Difference, differences
from ingest.shadow.shape import Shape
from ingest.source.formats.parts import kept

Side = Literal["old", "new"]
SIDES: Final[tuple[Side, Side]] = ("old", "new")
MOST_UNMATCHED: Final = 100_000
"""Records that wait for the other one; some 1 kB each."""
MOST_REMEMBERED: Final = 250_000
"""Events that were matched, of which a further record is a repeat."""
MOST_UNEQUAL: Final = 1_000
"""Records that wait for an equal one though there is another one of their event, as two events can have one identity."""
MOST_NAMES: Final = 1_000

_Key = tuple[object, ...]


class Place(NamedTuple):
    """Where a record is."""

    partition: int
    offset: int


class Waiting(NamedTuple):
    """What is kept of a record until the other one comes."""

    place: Place
    time_ms: int
    counts: bool
    """Whether it is reported when no other one comes."""
    exact: bytes | None
    text: bytes
    excerpt: bytes

    def is_equal(self, other: "Waiting") -> bool:
        if self.exact is not None and other.exact is not None:
            return self.exact == other.exact
        return self.text == other.text


class Differing(NamedTuple):
    """An event whose two records differ."""

    old: Waiting
    new: Waiting
    fields: list[Difference]


class Leftovers(NamedTuple):
    """The records that had no other one at the end, of one topic."""

    alone: list[Waiting]
    """The other topic has none, though it has later events."""
    repeated: list[Waiting]
    """Further records of an event that both have."""
    behind: list[Waiting]
    """Later than all that the other topic has."""


class Matcher:
    """`add` records of both topics in the order in which they come; `finish` once."""

    def __init__(
        self,
        on_difference: Callable[[Differing], None],
        *,
        most_unmatched: int = MOST_UNMATCHED,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        self.equal = 0
        self.differing = 0
        self.fields: Counter[str] = Counter()
        """How many events differ in a field."""
        self.newest_ms: dict[Side, int | None] = {"old": None, "new": None}
        """The time of the latest event of each topic."""
        self.oldest_ms: dict[Side, int | None] = {"old": None, "new": None}
        self.unmatched = 0
        """Records that wait for the other one."""
        self.unequal = 0
        """Those of them of whose event there is another one, but none that is equal."""
        self._most_unmatched = most_unmatched
        self._most_remembered = most_remembered
        self._on_difference = on_difference
        self._waiting: dict[Side, dict[_Key, list[Waiting]]] = {"old": {}, "new": {}}
        self._matched: set[int] = set()
        self._matched_before: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether more records wait than can be kept: nothing can be told of the rest."""
        return self.unmatched > self._most_unmatched

    def add(self, side: Side, shape: Shape, place: Place, time_ms: int, *, counts: bool = True) -> None:
        """`time_ms`: the event's, Unix milliseconds. `counts`: whether it is reported when no other one comes."""
        newest = self.newest_ms[side]
        if newest is None or time_ms > newest:
            self.newest_ms[side] = time_ms
        oldest = self.oldest_ms[side]
        if oldest is None or time_ms < oldest:
            self.oldest_ms[side] = time_ms
        excerpt = kept(orjson.dumps(shape.excerpt()))
        record = Waiting(place, time_ms, counts, shape.exact_digest(), shape.text_digest(), excerpt)
        key = _key(shape)
        other = self._take(side, key, record)
        if other is None:
            self._waiting[side].setdefault(key, []).append(record)
            self.unmatched += 1
            return
        self._remember(key)
        old, new = (record, other) if side == "old" else (other, record)
        self._compare(old, new)

    def is_open(self) -> bool:
        """Whether of an event that counts only one topic has records."""
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            there = self._waiting[other]
            if any(key not in there and any(each.counts for each in held) for key, held in self._waiting[side].items()):
                return True
        return False

    def finish(self) -> dict[Side, Leftovers]:
        """Tells what has no other one. Two that are alike in all of their position but the device are one event."""
        for key in self._waiting["old"].keys() & self._waiting["new"].keys():
            old_ones, new_ones = (self._waiting[side][key] for side in SIDES)
            self._remember(key)
            for old, new in zip(old_ones, new_ones, strict=False):
                self._compare(old, new)
            pairs = min(len(old_ones), len(new_ones))
            del old_ones[:pairs], new_ones[:pairs]
        left = {side: self._leftovers(side) for side in SIDES}
        strangers = list(_pairs(left["old"].alone, left["new"].alone))
        for at, side in enumerate(SIDES):
            paired = {pair[at].place for pair in strangers}
            left[side] = left[side]._replace(alone=[each for each in left[side].alone if each.place not in paired])
        for old, new in strangers:
            self._compare(old, new)
        return left

    def _take(self, side: Side, key: _Key, record: Waiting) -> Waiting | None:
        """The other record of this event, an equal one if there is a choice."""
        others = self._waiting["new" if side == "old" else "old"]
        held = others.get(key)
        if held is None:
            return None
        equal = next((at for at, other in enumerate(held) if record.is_equal(other)), None)
        if equal is None:
            pairs = ((at, (record, other) if side == "old" else (other, record)) for at, other in enumerate(held))
            equal = next((at for at, pair in pairs if not _differences(*pair)), None)
        if equal is None and self.unequal < MOST_UNEQUAL:
            self.unequal += 1
            return None
        found = held.pop(equal or 0)
        if not held:
            del others[key]
        self.unmatched -= 1
        return found

    def _compare(self, old: Waiting, new: Waiting) -> None:
        if not (old.counts or new.counts):
            return
        found = _differences(old, new)
        if not found:
            self.equal += 1
            return
        self.differing += 1
        for name in {difference.field for difference in found}:
            known = name in self.fields or len(self.fields) < MOST_NAMES
            self.fields[name if known else name.partition(".")[0]] += 1
        self._on_difference(Differing(old, new, found))

    def _remember(self, key: _Key) -> None:
        if len(self._matched) >= self._most_remembered:
            self._matched_before, self._matched = self._matched, set()
        self._matched.add(hash(key))

    def _leftovers(self, side: Side) -> Leftovers:
        left = Leftovers([], [], [])
        newest = self.newest_ms["new" if side == "old" else "old"]
        for key, records in self._waiting[side].items():
            known = hash(key) in self._matched or hash(key) in self._matched_before
            for record in records:
                if not record.counts:
                    continue
                if known:
                    left.repeated.append(record)
                elif newest is None or record.time_ms > newest:
                    left.behind.append(record)
                else:
                    left.alone.append(record)
                known = True
        return left


def _key(shape: Shape) -> _Key:
    if shape.device_id:
        return shape.device_id, shape.sequence
    return shape.sequence, shape.offset, shape.enqueued


def _differences(old: Waiting, new: Waiting) -> list[Difference]:
    """None of those that are there on purpose."""
    return [] if old.is_equal(new) else differences(orjson.loads(old.excerpt), orjson.loads(new.excerpt))


def _pairs(old: list[Waiting], new: list[Waiting]) -> Iterator[tuple[Waiting, Waiting]]:
    """Of records that are the only ones at their position in either list."""
    by_position = [_only_at(records) for records in (old, new)]
    for position in sorted(by_position[0].keys() & by_position[1].keys()):
        yield by_position[0][position], by_position[1][position]


def _only_at(records: list[Waiting]) -> dict[tuple[int, str, str], Waiting]:
    found: dict[tuple[int, str, str], list[Waiting]] = {}
    for record in records:
        said = orjson.loads(record.excerpt)
        found.setdefault((said["sequenceNumber"], said["offset"], said["enqueuedTime"]), []).append(record)
    return {position: held[0] for position, held in found.items() if len(held) == 1}
