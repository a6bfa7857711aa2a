from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.serial import advanced, covers, distance, room, stretch
from tests.amqp.strategies import unsigned

WRAP = 1 << 32
steps = st.integers(0, (1 << 31) - 1)


@given(unsigned(32), steps)
@example(WRAP - 1, 1)
def test_who_advances_is_that_far_ahead(number: int, count: int) -> None:
    after = advanced(number, count)
    assert 0 <= after < WRAP
    assert distance(after, number) == count
    assert distance(number, after) == -count


@given(unsigned(32), unsigned(32), steps)
@example(WRAP - 1, 0, 0)
@example(WRAP - 1, WRAP - 1, 5)
def test_what_is_used_leaves_the_rest(limit: int, base: int, used: int) -> None:
    assert room(limit, base, advanced(base, used)) == max(0, limit - used)


@given(unsigned(32), st.integers(0, 1000), st.integers(-5, 1010))
@example(WRAP - 2, 4, 4)
def test_a_range_goes_on_behind_the_last_number(first: int, length: int, place: int) -> None:
    number, last = (first + place) % WRAP, advanced(first, length)
    assert covers(first, last, number) is (0 <= place <= length)
    assert not covers(advanced(last, 1), first, number), "a range that ends before it begins holds nothing"


@given(unsigned(32), st.integers(-20, 40), st.sets(st.integers(-10, 50), max_size=30))
@example(WRAP - 1, 3, {0, 2, 40})
def test_of_a_stretch_no_known_number_is_left_out(first: int, length: int, places: set[int]) -> None:
    last = (first + length) % WRAP
    known = {(first + place) % WRAP for place in places}
    found = stretch(first, last, known)
    assert known.intersection(found) == {number for number in known if covers(first, last, number)}
    assert all(covers(first, last, number) for number in found)
    assert len(found) <= len(known)
