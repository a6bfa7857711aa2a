"""A read waits for what is worth a turn: at high rates for what comes in 6 ms, and never for more than surely comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.transport.portion import LEAST_BYTES, MOST_BYTES, SECONDS, Portion

PLENTY = 1e9


def steady(rate: float, allowed: float = PLENTY) -> int:
    """The portion of a stream of so many bytes a second, after some turns of 9 ms."""
    portion = Portion()
    for turn in range(5):
        portion.read(int(rate * 0.009), allowed, 100.0 + 0.009 * turn)
    return portion.bytes


@given(st.floats(1.0, LEAST_BYTES / SECONDS))
def test_a_slow_stream_is_worth_a_turn_from_the_least_on(rate: float) -> None:
    assert steady(rate) == LEAST_BYTES


@given(st.floats(1.01 * LEAST_BYTES / SECONDS, 0.99 * MOST_BYTES / SECONDS))
def test_of_a_fast_stream_more_is_read_at_once(rate: float) -> None:
    assert steady(rate) == pytest.approx(rate * SECONDS, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 1 << 30), st.floats(0.0, 10.0), st.floats(2.0, 1e9)), min_size=1))
def test_no_more_is_waited_for_than_is_allowed_to_come(turns: list[tuple[int, float, float]]) -> None:
    portion, now = Portion(), 0.0
    for size, since, allowed in turns:
        now += since
        portion.read(size, allowed, now)
        assert 1 <= portion.bytes <= min(MOST_BYTES, allowed / 2)


def test_the_first_read_asks_for_the_least() -> None:
    portion = Portion()
    assert portion.bytes == LEAST_BYTES
    portion.read(1 << 20, PLENTY, 5.0)
    assert portion.bytes == LEAST_BYTES
