from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.pacing.rate import BURST_SECONDS, FLOOR, HEADROOM, LOOK_SECONDS, AdaptiveRate, Answer, pack, unpack
from tests.sink.simulated_hub import FixedWindow, Limit, TokenBucket, rate_between, simulate

S3_TIMES_10 = 5_000 * 10 / 60
HUBS: list[Callable[[float], Limit]] = [
    lambda rate: TokenBucket(rate, seconds=0.1),
    lambda rate: TokenBucket(rate, seconds=1.0),
    lambda rate: TokenBucket(rate, seconds=10.0),
    FixedWindow,
]
every_hub = pytest.mark.parametrize("hub", HUBS, ids=["bucket-0.1s", "bucket-1s", "bucket-10s", "window-1s"])


@given(
    st.floats(0.01, 100_000),
    st.lists(st.tuples(st.floats(-0.01, 2.0), st.integers(0, 500), st.lists(st.booleans(), max_size=3)), max_size=40),
)
def test_no_window_is_ever_above_the_budget(
    sends_per_second: float, calls: list[tuple[float, int, list[bool]]]
) -> None:
    """Whoever asks, whenever, and with clocks read a little too early: a call is a step, a count wanted, and answers."""
    now, pace = 0.0, AdaptiveRate.of(sends_per_second, 0.0)
    granted: list[tuple[float, int]] = []
    for step, wanted, answers in calls:
        now += step
        pace.learn([Answer(now, throttled) for throttled in answers], now)
        # What is granted with an early clock is sent now all the same.
        latest = max([now, *(at for at, _ in granted)])
        granted.append((latest, pace.take(wanted, now)))
        assert pace.allowance * FLOOR * 0.999 <= pace.rate <= pace.allowance <= sends_per_second
    burst = max(1.0, sends_per_second * BURST_SECONDS)
    for first, (start, _) in enumerate(granted):
        sent = 0
        for end, count in granted[first:]:
            sent += count
            assert sent <= burst + sends_per_second * (end - start) + 1e-6


@given(st.floats(0.01, 100_000), st.floats(0.0, 1000.0), st.integers(0, 50))
def test_wait_says_when_one_is_granted(sends_per_second: float, start: float, before: int) -> None:
    pace = AdaptiveRate.of(sends_per_second, start)
    pace.take(before, start)
    wait = pace.wait(start)
    assert pace.take(1, start + wait * (1 + 1e-9) + 1e-9) == 1
    if wait > 1e-6:
        pace = AdaptiveRate.of(sends_per_second, start)
        pace.take(before, start)
        assert pace.take(1, start + wait * 0.99) == 0


def test_the_first_command_of_a_quiet_node_goes_at_once() -> None:
    assert AdaptiveRate.of(100 / 60, 7.0).take(5, 7.0) == 1


def test_nobody_sends_while_paused() -> None:
    pace = AdaptiveRate.of(100.0, 0.0)
    pace.pause(10.0)
    pace.pause(5.0)
    assert (pace.take(1, 9.9), pace.wait(4.0)) == (0, 6.0)
    assert pace.take(1, 10.0) == 1


def test_a_clock_that_was_read_before_another_process_asked_fills_nothing_twice() -> None:
    pace = AdaptiveRate.of(1000.0, 0.0)
    granted = sum(pace.take(100, now) for _ in range(10) for now in (1.0, 0.96))
    assert granted == int(1000.0 * HEADROOM * BURST_SECONDS)


def test_a_rate_that_only_falls_stops_at_the_floor() -> None:
    pace = AdaptiveRate.of(1000.0, 0.0)
    for second in range(1, 20):
        pace.learn([Answer(float(second), throttled=True)], float(second))
        pace.learn([], second + LOOK_SECONDS)
    assert pace.rate == pytest.approx(pace.allowance * FLOOR)


def test_answers_to_sends_before_the_last_decrease_change_nothing() -> None:
    pace = AdaptiveRate.of(1000.0, 0.0)
    pace.learn([Answer(1.0, throttled=True), Answer(1.0, throttled=False)], 1.0)
    pace.learn([], 1.0 + LOOK_SECONDS)
    lowered = pace.rate
    assert lowered < 600.0
    pace.learn([Answer(1.4, throttled=True)] * 50, 1.6)
    pace.learn([], 1.6 + LOOK_SECONDS)
    assert pace.rate == lowered


@given(st.floats(0.001, 1e6), st.floats(0.0, 1e9), st.integers(0, 10))
def test_a_packed_pace_is_the_same(sends_per_second: float, now: float, wanted: int) -> None:
    pace = AdaptiveRate.of(sends_per_second, now)
    pace.learn([Answer(now, throttled=True)], now)
    pace.take(wanted, now + 0.5)
    pace.pause(now + 3.0)
    assert unpack(pack(pace)) == pace


@every_hub
def test_with_the_right_rate_the_allowance_is_used_and_nothing_throttled(hub: Callable[[float], Limit]) -> None:
    seen = simulate(AdaptiveRate.of(S3_TIMES_10, 0.0), hub(S3_TIMES_10), 24.0)
    assert rate_between(seen, 10.0, 24.0) >= 0.98 * S3_TIMES_10
    assert sum(not one.taken for one in seen) <= 5


@every_hub
def test_a_halved_limit_is_found_within_ten_seconds_and_left_when_it_is_lifted(hub: Callable[[float], Limit]) -> None:
    half = S3_TIMES_10 / 2
    seen = simulate(AdaptiveRate.of(S3_TIMES_10, 0.0), hub(S3_TIMES_10), 100.0, changes={15.0: half, 55.0: S3_TIMES_10})
    assert rate_between(seen, 25.0, 55.0) >= 0.95 * half
    assert rate_between(seen, 25.0, 55.0, taken=False) <= 0.03 * half
    assert rate_between(seen, 95.0, 100.0) >= 0.98 * S3_TIMES_10


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_any_number_of_processes_shares_the_rate(processes: int) -> None:
    seen = simulate(
        AdaptiveRate.of(S3_TIMES_10, 0.0), TokenBucket(S3_TIMES_10), 20.0, processes=processes, seed=processes
    )
    assert rate_between(seen, 5.0, 20.0) >= 0.98 * S3_TIMES_10
    assert all(one.taken for one in seen)


def test_the_smallest_tier_is_used_too() -> None:
    rate = 100 / 60
    seen = simulate(AdaptiveRate.of(rate, 0.0), TokenBucket(rate, seconds=60.0), 600.0)
    assert rate_between(seen, 10.0, 600.0) >= 0.98 * rate
    assert all(one.taken for one in seen)


def test_a_hub_that_takes_nothing_is_hardly_asked_and_then_used_again() -> None:
    seen = simulate(
        AdaptiveRate.of(S3_TIMES_10, 0.0), TokenBucket(S3_TIMES_10), 150.0, changes={10.0: 0.0, 70.0: S3_TIMES_10}
    )
    assert rate_between(seen, 20.0, 70.0, taken=False) <= 0.1 * S3_TIMES_10
    assert rate_between(seen, 130.0, 150.0) >= 0.98 * S3_TIMES_10


def test_the_headroom_is_all_that_is_given_away() -> None:
    assert HEADROOM >= 0.99
    assert AdaptiveRate.of(1000.0, 0.0).rate == 1000.0 * HEADROOM
