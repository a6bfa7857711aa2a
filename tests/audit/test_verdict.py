"""What is present, missing and repeated, beside what was done to a hub's log."""

from hypothesis import given
from hypothesis import strategies as some

from ingest.audit.counting import Counting
from ingest.audit.verdict import NOTHING_HELD, Held, Verdict, judge
from tests.audit.records import T0, event, fetched, take

FROM, TO = 10, 30
"""The events of the stretch; the hub has 0 to 49."""
HUB = Held(FROM, TO - 1)


def counted(*numbers: int) -> Counting:
    counting = Counting(T0 + FROM * 1000, T0 + TO * 1000)
    take(counting, [fetched(event(number)) for number in numbers])
    return counting


def verdict(topic: list[int], letters: list[int] | None = None, held: Held = NOTHING_HELD) -> Verdict:
    return judge("0", counted(*topic).counts.get("0"), counted(*letters or ()).counts.get("0"), held)


def numbers(found: Verdict) -> set[int]:
    return {number for first, last in found.missing.spans for number in range(first, last + 1)}


KEPT = some.sets(some.integers(0, 49))


@given(topic=KEPT, letters=KEPT)
def test_with_the_hub_exactly_what_is_nowhere_is_missing(topic: set[int], letters: set[int]) -> None:
    found = verdict(sorted(topic), sorted(letters), HUB)
    stretch = set(range(FROM, TO))
    assert numbers(found) == stretch - topic - letters
    assert found.present == len(stretch & (topic | letters))
    assert found.dead_letters == len(stretch & letters - topic)
    assert (found.first, found.last, found.is_whole) == (FROM, TO - 1, True)


@given(topic=KEPT)
def test_without_it_nothing_is_called_missing_that_the_topic_does_not_prove(topic: set[int]) -> None:
    found = verdict(sorted(topic))
    lost = set(range(50)) - topic
    assert numbers(found) <= lost
    if found.first is not None and found.last is not None:
        beside = min((each for each in topic if each >= TO), default=found.last)
        inner = {each for each in lost if min(topic, default=50) < each < beside and FROM <= each < TO}
        assert inner <= numbers(found)
    for proof, edge, outer in (
        (found.first_proof, FROM, {each for each in topic if each < FROM}),
        (found.last_proof, TO - 1, {each for each in topic if each >= TO}),
    ):
        if proof == "topic" and edge in topic:
            assert outer or edge in (0, 49)


def test_both_ends_are_proved_by_the_events_beside_them() -> None:
    found = verdict(list(range(50)))
    assert (found.first, found.last, found.first_proof, found.last_proof) == (10, 29, "topic", "topic")
    assert (found.missing.spans, found.repeated, found.out_of_order, found.present) == ((), 0, 0, 20)


def test_what_is_missing_at_an_end_is_found_and_said_to_be_at_the_end() -> None:
    found = verdict([*range(8), *range(12, 27), *range(33, 50)])
    assert found.missing.spans == ((8, 11), (27, 32))
    assert (found.first_proof, found.last_proof) == ("between", "between")
    assert verdict([*range(8), *range(12, 27), *range(33, 50)], held=HUB).missing.spans == ((10, 11), (27, 29))


def test_an_end_without_a_neighbour_is_not_known() -> None:
    found = verdict(list(range(12, 27)))
    assert (found.first_proof, found.last_proof, found.is_whole, found.missing.spans) == (
        "unknown",
        "unknown",
        False,
        (),
    )
    assert verdict(list(range(12, 27)), held=HUB).missing.spans == ((10, 11), (27, 29))


def test_a_stretch_without_a_record_can_be_all_missing_or_empty() -> None:
    assert verdict([*range(10), *range(30, 50)]).missing.spans == ((10, 29),)
    assert verdict([], held=HUB).missing.spans == ((10, 29),)
    assert verdict([9], held=Held(10, 9)) == Verdict("0", first_proof="hub", last_proof="hub")
    assert verdict([9]).first is None


def test_one_event_that_is_certainly_of_it_is_missing_however_little_is_known() -> None:
    assert verdict([], held=Held(None, None, 12)).missing.spans == ((12, 12),)
    found = verdict(list(range(15, 25)), held=Held(None, 29, 12))
    assert (found.missing.spans, found.first_proof, found.last_proof) == (((12, 14), (25, 29)), "unknown", "hub")


def test_of_many_ranges_some_are_listed_and_all_counted() -> None:
    topic = counted(*range(0, 50, 2)).counts["0"]
    found = judge("0", topic, None, HUB, most_ranges=3)
    assert found.missing == (((11, 11), (13, 13), (15, 15)), 10, 10)


def test_a_number_counts_whatever_its_time() -> None:
    counting = Counting(T0 + FROM * 1000, T0 + TO * 1000)
    take(counting, [fetched(event(each, time_ms=1 if each == 20 else None)) for each in range(50)])
    assert judge("0", counting.counts["0"], None).missing.spans == ()


def test_a_hub_that_was_made_anew_is_noticed() -> None:
    counting = Counting(T0, T0 + 100_000_000)
    take(counting, [fetched(event(each)) for each in range(1_000, 1_050)])
    assert not judge("0", counting.counts["0"], None).is_renumbered
    take(counting, [fetched(event(each, time_ms=T0 + 2_000_000 + each)) for each in range(5)])
    assert judge("0", counting.counts["0"], None).is_renumbered
