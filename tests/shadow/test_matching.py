"""What was removed, doubled or changed is found, exactly that, in whatever order the records come."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingest.shadow.matching import MOST_UNEQUAL, SIDES, Differing, Matcher, Place, Side
from ingest.shadow.shape import Shape

LATER_MS = 1_000_000
FATES = ("equal", "missing", "extra", "content", "property", "device", "twice_old", "twice_new", "twice_both")


def event(number: int, **changed: Any) -> Shape:
    """Of one of three devices, or of none. Another event of another partition has the same sequence number."""
    device = ("dev-0", "dev-1", "dev-2", "")[number % 4]
    made = Shape(
        device, str(number), "", "2026-11-27T09:00:00Z", number // 2, f"body {number}", {"a": "1"}, {"n": str(number)}
    )
    return made._replace(**changed)


class Rig:
    def __init__(self, **limits: int) -> None:
        self.found: list[Differing] = []
        self.matcher = Matcher(self.found.append, **limits)
        self._offset = 0

    def add(self, side: Side, shape: Shape, time_ms: int = 1, *, counts: bool = True) -> None:
        self._offset += 1
        self.matcher.add(side, shape, Place(0, self._offset), time_ms, counts=counts)

    def end(self) -> Counter[str]:
        """What was found, by its kind."""
        left = self.matcher.finish()
        counts = Counter({"equal": self.matcher.equal, **{f"differing {k}": n for k, n in self.matcher.fields.items()}})
        for side in SIDES:
            for kind, records in left[side]._asdict().items():
                counts[f"{kind} {side}"] = len(records)
        assert self.matcher.differing == len(self.found)
        return +counts


@given(
    fates=some.lists(some.sampled_from(FATES), max_size=40),
    order=some.randoms(use_true_random=False),
    text=some.booleans(),
)
def test_exactly_what_was_done_to_the_topics_is_found(fates: list[str], order: random.Random, text: bool) -> None:
    records: list[tuple[Side, Shape]] = []
    wanted: Counter[str] = Counter()
    for number, fate in enumerate(fates):
        old = event(number, is_text=text)
        new = event(number)
        match fate:
            case "content":
                new = event(number, content="another")
                wanted["differing content"] += 1
            case "property":
                new = event(number, properties={"n": str(number), "more": "x"})
                wanted["differing properties.more"] += 1
            case "device":
                new = event(number, device_id=f"stranger {number}")
                wanted["differing deviceId"] += 1
            case "missing":
                wanted["alone old"] += 1
            case "extra":
                wanted["alone new"] += 1
            case _:
                wanted["equal"] += 2 if fate == "twice_both" else 1
        records += [("old", old)] * ((fate != "extra") + (fate in ("twice_old", "twice_both")))
        records += [("new", new)] * ((fate != "missing") + (fate in ("twice_new", "twice_both")))
        wanted["repeated old"] += fate == "twice_old"
        wanted["repeated new"] += fate == "twice_new"
    order.shuffle(records)
    rig = Rig()
    for side in SIDES:
        rig.add(side, event(-8, content="the end"), LATER_MS)  # both have come further than all of the others
    for side, shape in records:
        rig.add(side, shape)
    wanted["equal"] += 1
    assert rig.end() == +wanted


def test_the_order_of_maps_says_nothing() -> None:
    rig = Rig()
    rig.add("old", event(1, system={"a": "1", "b": "2"}))
    rig.add("new", event(1, system={"b": "2", "a": "1"}))
    assert rig.end() == {"equal": 1}


def test_a_text_that_could_be_two_entries_is_one_where_the_form_says_so() -> None:
    rig = Rig()
    rig.add("old", event(1, system={"a": "1, b=2"}))
    rig.add("new", event(1, system={"a": "1", "b": "2"}))
    assert rig.end() == {"differing systemProperties.a": 1, "differing systemProperties.b": 1}


def test_equal_ones_belong_together_where_two_events_are_at_one_position() -> None:
    rig = Rig()
    for side, content in (("old", "a"), ("new", "b"), ("new", "a"), ("old", "c"), ("old", "b"), ("new", "d")):
        rig.add("old" if side == "old" else "new", event(0, content=content))
    assert not rig.matcher.is_open()
    assert rig.end() == {"equal": 2, "differing content": 1}


def test_events_that_all_differ_take_no_more_room_than_a_few() -> None:
    rig = Rig()
    for number in range(3_000):
        rig.add("old", event(number))
        rig.add("new", event(number, content="x"))
    assert rig.matcher.unmatched <= 2 * MOST_UNEQUAL
    assert rig.end() == {"differing content": 3_000}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Wed Oct 21 16:00:10 CEST 2020", "Wed Oct 21 14:00:10 UTC 2020"),
        ("Thu Oct 22 04:00:10 NZST 2020", "Wed Oct 21 14:00:10 UTC 2020"),
        ("0.1", "0.10000000149011612"),
    ],
)
def test_what_ours_writes_in_another_way_on_purpose_is_equal(old: str, new: str) -> None:
    for is_text in (False, True):
        rig = Rig()
        rig.add("old", event(1, system={"a": old}, is_text=is_text))
        rig.add("new", event(1, system={"a": new}))
        assert rig.end() == {"equal": 1}


def test_the_address_of_a_user_id_says_nothing() -> None:
    rig = Rig()
    rig.add("old", event(1, system={"user-id": "[B@1f32e575"}))
    rig.add("new", event(1, system={"user-id": "me"}))
    assert rig.end() == {"equal": 1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Wed Oct 21 14:00:10 UTC 2020", "Wed Oct 21 15:00:10 UTC 2020"),
        ("Wed Oct 21 14:00:10 CEST 2020", "Wed Oct 21 14:00:11 UTC 2020"),
        ("Wed Oct 21 14:00:10 CEST 2020", "Wed Oct 22 14:00:10 UTC 2020"),
        ("0.5", "0.25"),
        ("0.10000000149011612", "0.1"),
        ("[B@1f32e575", "me"),
        ("Sun Feb 30 14:00:10 CET 2020", "Sun Feb 30 14:00:10 UTC 2020"),
    ],
)
def test_and_nothing_else_is(old: str, new: str) -> None:
    rig = Rig()
    rig.add("old", event(1, system={"a": old}))
    rig.add("new", event(1, system={"a": new}))
    assert rig.end() == {"differing systemProperties.a": 1}


def test_long_texts_are_told_apart_by_all_of_their_characters() -> None:
    rig = Rig()
    rig.add("old", event(1, content="x" * 9_999 + "y", properties={f"{n}": "v" for n in range(200)}))
    rig.add("new", event(1, content="x" * 10_000, properties={f"{n}": "v" if n != 99 else "w" for n in range(200)}))
    assert rig.end() == {"differing content": 1, "differing properties.…": 1}
    assert max(len(record.excerpt) for each in rig.found for record in (each.old, each.new)) < 4_000


def test_what_one_topic_has_not_come_to_is_behind_and_not_missing() -> None:
    rig = Rig()
    for side in SIDES:
        rig.add(side, event(1), 10)
    rig.add("old", event(2), 10)
    rig.add("old", event(3), 11)
    rig.add("old", event(3), 11)
    assert rig.end() == {"equal": 1, "alone old": 1, "behind old": 1, "repeated old": 1}


def test_of_an_empty_topic_nothing_is_said_to_be_missing() -> None:
    rig = Rig()
    rig.add("old", event(1))
    assert rig.end() == {"behind old": 1}


def test_what_does_not_count_is_only_looked_at_for_what_does() -> None:
    rig = Rig()
    rig.add("new", event(1), counts=False)
    rig.add("new", event(2), counts=False)
    rig.add("old", event(3, content="x"), counts=False)
    rig.add("new", event(3), counts=False)
    assert (rig.matcher.is_open(), rig.matcher.unmatched) == (False, 4)
    rig.add("old", event(1))
    assert rig.end() == {"equal": 1}


def test_memory_is_bounded() -> None:
    rig = Rig(most_unmatched=10, most_remembered=4)
    for number in range(100):
        for side in SIDES:
            rig.add(side, event(number))
    for number in range(1_000, 1_010):
        rig.add("old", event(number))
    assert not rig.matcher.is_full
    rig.add("old", event(1_010))
    assert rig.matcher.is_full
    assert len(rig.matcher._matched) + len(rig.matcher._matched_before) <= 8
