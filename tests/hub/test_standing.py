"""What the hub's own figures say of a position."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.position import BEFORE_FIRST, EARLIEST, LATEST, Position, StartAt
from ingest.hub.standing import Standing, Verdict, judge, skipped

NEWEST_TIME = datetime(2024, 5, 1, tzinfo=UTC)
OLDEST = StartAt(EARLIEST)


def standing(newest: int, offset: str | None = None, *, oldest: int = 0, empty: bool = False) -> Standing:
    told = str(newest * 10 if newest >= 0 else -1) if offset is None else offset
    return Standing(oldest, newest, told, int(NEWEST_TIME.timestamp() * 1000), empty or newest < oldest, 0.0)


NEVER, EXPIRED, HELD = standing(-1), standing(99, oldest=100), standing(99)


@pytest.mark.parametrize(
    ("told", "position", "verdict"),
    [
        (HELD, Position("990", 99), "even"),
        (HELD, Position("980", 98), "behind"),
        (HELD, Position(None, 99), "even"),
        (HELD, Position(None, 98), "behind"),
        (HELD, BEFORE_FIRST, "behind"),
        (NEVER, BEFORE_FIRST, "even"),
        (EXPIRED, Position("990", 99), "even"),
        (EXPIRED, Position("500", 50), "even"),
        (EXPIRED, BEFORE_FIRST, "even"),
        (HELD, Position("1000", 100), "renumbered"),
        (NEVER, Position("0", 0), "renumbered"),
        (HELD, Position("700", 99), "renumbered"),
        (HELD, Position("990", 50), "renumbered"),
        (HELD, Position("2000", 50), "renumbered"),
        (standing(99, "1:2:3"), Position("990", 99), "even"),  # a namespace that became geo-replicated
        (standing(99, "1:2:3"), Position("990", 98), "behind"),
        (HELD, Position("1:2:3", 98), "behind"),
    ],
)
def test_a_position_against_where_the_hub_stands(told: Standing, position: Position, verdict: Verdict) -> None:
    assert judge(told, position, StartAt("7")) == verdict


@pytest.mark.parametrize(
    ("told", "start", "verdict"),
    [
        (NEVER, OLDEST, "even"),
        (EXPIRED, OLDEST, "even"),
        (HELD, OLDEST, "behind"),
        (HELD, StartAt("990"), "even"),
        (HELD, StartAt("980"), "behind"),
        (HELD, StartAt("1:2:3"), "unknown"),
        (HELD, StartAt(LATEST), "unknown"),
        (EXPIRED, StartAt("1:2:3"), "even"),
        (HELD, StartAt(98), "behind"),
        (HELD, StartAt(99), "even"),
        (HELD, StartAt(NEWEST_TIME), "behind"),
        (HELD, StartAt(NEWEST_TIME + timedelta(seconds=1)), "even"),
        (EXPIRED, StartAt(NEWEST_TIME), "even"),
    ],
)
def test_without_a_position_silence_is_judged_from_where_reading_began(
    told: Standing, start: StartAt, verdict: Verdict
) -> None:
    assert judge(told, None, start) == verdict


def test_behind_everything_there_is() -> None:
    assert NEVER.position == BEFORE_FIRST
    assert HELD.position == EXPIRED.position == Position("990", 99)


def test_a_jump_over_events_that_are_held_is_no_retention() -> None:
    assert not skipped(standing(99, oldest=80), (50, 80))
    assert not skipped(standing(99, oldest=85), (50, 80)), "they expired between the attach and the question"
    assert skipped(standing(99, oldest=79), (50, 80))
    assert skipped(standing(99, oldest=0), (50, 80))


@given(size=st.integers(1, 9), newest=st.integers(-1, 50), received=st.integers(-1, 50), expired=st.integers(0, 51))
def test_a_reader_of_the_same_log_is_never_told_that_it_is_another(
    size: int, newest: int, received: int, expired: int
) -> None:
    oldest, received = min(expired, newest + 1), min(received, newest)
    told = standing(newest, str(newest * size) if newest >= 0 else "-1", oldest=oldest)
    position = BEFORE_FIRST if received < 0 else Position(str(received * size), received)
    held_and_unread = newest >= max(oldest, received + 1)
    assert judge(told, position, OLDEST) == ("behind" if held_and_unread else "even")
