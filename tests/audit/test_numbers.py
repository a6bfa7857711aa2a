"""Sets of sequence numbers, beside Python's own sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from ingest.audit import numbers
from ingest.audit.numbers import Chunks

NUMBERS = some.integers(0, 20_000) | some.integers(0, 1 << 62)
SETS = some.sets(NUMBERS, max_size=60) | some.builds(
    lambda first, size, without: set(range(first, first + size)) - without,
    some.integers(0, 9_000),
    some.integers(0, 9_000),
    some.sets(some.integers(0, 18_000), max_size=20),
)


def made(members: set[int]) -> Chunks:
    chunks: Chunks = {}
    for number in members:
        assert numbers.add(chunks, number)
    return chunks


def members_of(spans: list[numbers.Span]) -> set[int]:
    assert all(one[1] + 1 < other[0] for one, other in pairwise(spans)), "not in order, or not whole"
    return {number for first, last in spans for number in range(first, last + 1)}


@given(SETS, NUMBERS)
def test_what_was_added_is_there_and_its_neighbours_are_found(members: set[int], number: int) -> None:
    chunks = made(members)
    assert numbers.below(chunks, number) == max((each for each in members if each < number), default=None)
    assert numbers.above(chunks, number) == min((each for each in members if each > number), default=None)
    assert numbers.contains(chunks, number) == (number in members)
    assert numbers.add(chunks, number) == (number not in members)
    assert numbers.contains(chunks, number)


@given(SETS, some.integers(0, 20_000), some.integers(0, 9_000))
def test_spans_and_holes_are_what_is_there_and_what_is_not(members: set[int], first: int, size: int) -> None:
    chunks, stretch = made(members), set(range(first, first + size))
    spans, holes = (list(of(chunks, first, first + size - 1)) for of in (numbers.spans, numbers.holes))
    assert members_of(spans) == members & stretch
    assert members_of(holes) == stretch - members
    assert numbers.size(spans) + numbers.size(holes) == size


@given(SETS, SETS)
def test_a_union_has_the_numbers_of_both_and_changes_neither(one: set[int], other: set[int]) -> None:
    ours, theirs = made(one), made(other)
    both = numbers.union(ours, theirs)
    wanted = one | other
    assert {each for each in wanted if numbers.contains(both, each)} == wanted
    assert numbers.size(numbers.spans(both, 0, 1 << 62)) == len(wanted)
    assert numbers.size(numbers.spans(ours, 0, 1 << 62)) == len(one)
    assert numbers.size(numbers.spans(theirs, 0, 1 << 62)) == len(other)
