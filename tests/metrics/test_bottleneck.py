import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.metrics.bottleneck import PARTS, Part, TimeShares


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_part_gets_the_seconds_that_were_spent_on_it() -> None:
    clock = Clock()
    shares = TimeShares(clock=clock)
    spent: list[tuple[Part, float]] = [("hub", 2.0), ("decode", 1.0), ("hub", 1.0), ("kafka_queue", 4.0)]
    for part, seconds in spent:
        shares.enter(part)
        clock.now += seconds
    assert shares.take() == {
        "hub": 0.375,
        "decode": 0.125,
        "kafka_queue": 0.5,
        "blob": 0.0,
        "c2d_limit": 0.0,
        "idle": 0.0,
    }


def test_a_part_that_lasts_counts_while_it_lasts() -> None:
    clock = Clock()
    shares = TimeShares(clock=clock)
    shares.enter("blob")
    assert shares.take()["blob"] == 1.0, "before any time has passed, it is the part entered last"
    clock.now += 3
    assert shares.take()["blob"] == 1.0


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    shares = TimeShares(clock=clock, window=10.0)
    shares.enter("kafka_queue")
    for _ in range(30):
        clock.now += 1
        shares.take()
    shares.enter("idle")
    seen = []
    for _ in range(12):
        clock.now += 1
        seen.append(round(shares.take()["kafka_queue"], 6))
    assert seen[:3] == [0.9, 0.8, 0.7]
    assert seen[9:] == [0.0, 0.0, 0.0]


@given(
    st.lists(
        st.tuples(st.sampled_from(PARTS), st.floats(0, 1e4, allow_nan=False), st.booleans()), min_size=1, max_size=60
    )
)
def test_the_shares_always_add_up_to_one(turns: list[tuple[Part, float, bool]]) -> None:
    clock = Clock()
    shares = TimeShares(clock=clock)
    for part, seconds, taken in turns:
        shares.enter(part)
        clock.now += seconds
        if taken:
            found = shares.take()
            assert tuple(found) == PARTS
            assert math.isclose(sum(found.values()), 1.0, rel_tol=1e-9)
            assert all(0.0 <= share <= 1.0 for share in found.values())


@pytest.mark.parametrize("looks_per_second", [1, 1000])
def test_looking_often_keeps_no_more_past_than_looking_once_a_second(looks_per_second: int) -> None:
    clock = Clock()
    shares = TimeShares(clock=clock, window=10.0)
    for _ in range(30 * looks_per_second):
        clock.now += 1 / looks_per_second
        shares.take()
    assert len(shares._past) <= 22
