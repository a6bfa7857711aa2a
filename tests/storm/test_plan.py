"""tests.storm.plan: a seed gives the same storm again, and all of it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.storm.plan import FULL, KINDS, plan

SOME_COUNTS = st.dictionaries(st.sampled_from(sorted(KINDS)), st.integers(0, 5))


@given(st.integers(), st.floats(5, 600), SOME_COUNTS)
def test_each_fault_strikes_as_often_as_asked_in_its_lane_and_in_time(
    seed: int, seconds: float, counts: dict[str, int]
) -> None:
    faults = plan(seed, seconds, counts)
    assert Counter(fault.kind for fault in faults) == Counter(counts)
    assert faults == sorted(faults) == plan(seed, seconds, dict(reversed(counts.items())))
    assert all(0 <= fault.at < seconds and fault.lane == KINDS[fault.kind].lane for fault in faults)
    assert all(fault.seconds <= KINDS[fault.kind].longest for fault in faults)


def test_another_seed_is_another_storm() -> None:
    assert plan(1, 300, FULL) != plan(2, 300, FULL)


def test_a_storm_by_hand_has_all_kinds() -> None:
    assert set(FULL) == set(KINDS)
