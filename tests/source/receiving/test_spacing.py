"""A steady stream is read in turns that are some milliseconds apart; what comes seldom, or much at once, does not wait."""

from itertools import dropwhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.receiving.spacing import LEAST_RATE, SMALL_TURN, SPACING_SECONDS, TurnSpacing


def waits(rate: float, *, gathers: bool = False, seconds: float = 2.0) -> list[float]:
    """How long a stream of so many events a second waits at each of its turns, which take 1 ms besides."""
    spacing, now, taken, found = TurnSpacing(gathers=gathers), 100.0, 100.0 * rate, []
    while now < 100.0 + seconds:
        events = int(now * rate - taken)
        taken += events
        due = spacing.turn(events, now)
        found.append(due - now)
        now = max(due, now + 0.001)
    return found


@given(st.floats(0.1, LEAST_RATE / 2 - 1), st.booleans())
def test_at_low_rates_nothing_waits(rate: float, gathers: bool) -> None:
    assert not any(waits(rate, gathers=gathers))


@given(st.floats(2 * LEAST_RATE, 0.9 * SMALL_TURN / SPACING_SECONDS), st.booleans())
def test_a_steady_stream_is_read_once_in_a_while(rate: float, gathers: bool) -> None:
    turns = list(dropwhile(lambda seconds: not seconds, waits(rate, gathers=gathers)))  # its first events do not wait
    assert turns
    assert all(seconds == pytest.approx(SPACING_SECONDS) for seconds in turns)
    assert len(turns) < 2.0 / SPACING_SECONDS + 1


@given(st.floats(1.2 * SMALL_TURN / SPACING_SECONDS, 1_000 * SMALL_TURN))
def test_a_small_part_of_much_does_not_wait(rate: float) -> None:
    """Each read takes what has come within 1 ms. Where a wait ends early, it may be asked for."""
    assert not any(waits(rate))
    assert all(waits(rate, gathers=True)[2:])


@given(st.lists(st.tuples(st.integers(0, 2 * SMALL_TURN), st.floats(1e-4, 10.0))))
def test_no_wait_is_longer_than_the_spacing_and_none_follows_a_large_turn(turns: list[tuple[int, float]]) -> None:
    spacing, now = TurnSpacing(gathers=False), 0.0
    for events, since in turns:
        now += since
        due = spacing.turn(events, now)
        assert now <= due <= now + SPACING_SECONDS
        if not events or events >= SMALL_TURN:
            assert due == now


def test_the_first_events_after_a_silence_do_not_wait() -> None:
    spacing = TurnSpacing(gathers=True)
    assert spacing.turn(5, 1.0) == 1.0
    assert spacing.turn(0, 1.5) == 1.5
    assert spacing.turn(5, 2.0) == 2.0
