import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.receiving.retention import KNOWN_SECONDS, SMOOTH_SECONDS, RetentionForecast

DAY = 86_400.0
NOW = 1_700_000_000.0


def forecast(clock: RetentionForecast, age: float, speed: float, seconds: int) -> list[float | None]:
    """One look a second; the position starts `age` seconds old and passes `speed` enqueued seconds a second."""
    return [clock.look(NOW + second, NOW - age + speed * second) for second in range(seconds + 1)]


def test_half_the_speed_of_the_devices_loses_after_twice_the_slack() -> None:
    left = forecast(RetentionForecast(DAY), 3600.0, 0.5, 120)
    age = 3600.0 + 120 / 2
    assert left[-1] == pytest.approx((DAY - age) / 0.5)


def test_a_position_that_stands_still_has_what_is_left_of_the_retention() -> None:
    left = forecast(RetentionForecast(DAY), 3600.0, 0.0, 100)
    assert left[-1] == pytest.approx(DAY - 3700.0)


@pytest.mark.parametrize("speed", [1.0, 1.5, 100.0])
def test_whoever_keeps_pace_or_catches_up_loses_nothing(speed: float) -> None:
    assert forecast(RetentionForecast(DAY), 80_000.0, speed, 60)[-1] == math.inf


def test_caught_up_is_known_at_once() -> None:
    assert RetentionForecast(DAY).look(NOW, NOW) == math.inf


def test_there_is_no_forecast_before_a_rate_is_known() -> None:
    left = forecast(RetentionForecast(DAY), 3600.0, 0.5, 10)
    known_at = math.ceil(KNOWN_SECONDS)
    assert left[:known_at] == [None] * known_at
    assert left[known_at] is not None


def test_what_is_lost_already_is_no_negative_time() -> None:
    assert forecast(RetentionForecast(DAY), DAY + 100, 0.0, 30)[-1] == 0.0


def test_after_a_quiet_time_one_new_event_is_no_alarm() -> None:
    """The last event before it may be hours old, but nothing came in those hours that could be lost."""
    clock = RetentionForecast(DAY)
    for second in range(0, 7200, 10):
        assert clock.look(NOW + second, NOW + second) == math.inf
    left = clock.look(NOW + 7200, NOW)
    assert left is not None
    assert left > DAY - 60


def test_a_hub_that_is_away_brings_the_loss_nearer_second_by_second() -> None:
    """Whether the devices still send is not known then, so they must be taken to."""
    clock = RetentionForecast(DAY)
    clock.look(NOW, NOW)
    left = [clock.look(NOW + second, NOW - 5.0) for second in range(1, 1000)]
    assert left[-1] == pytest.approx(DAY - 999.0)


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = RetentionForecast(DAY)
    forecast(clock, 3600.0, 0.0, 600)
    for second in range(601, 601 + int(SMOOTH_SECONDS) + 2):
        left = clock.look(NOW + second, NOW - 3600.0 + 2.0 * (second - 600))
    assert left == math.inf


def test_a_clock_set_back_begins_anew() -> None:
    clock = RetentionForecast(DAY)
    forecast(clock, 3600.0, 0.5, 100)
    assert clock.look(NOW - 500, NOW - 3500) is None
    assert clock.look(NOW - 490, NOW - 3495) is not None


@given(
    st.floats(1.0, 7 * DAY),
    st.lists(st.tuples(st.floats(-30, 90), st.floats(-10, 9 * DAY)), min_size=1, max_size=50),
)
def test_the_forecast_is_never_negative_and_never_no_number(retention: float, looks: list[tuple[float, float]]) -> None:
    clock, now = RetentionForecast(retention), NOW
    for step, age in looks:
        now += step
        left = clock.look(now, now - age)
        assert left is None or left >= 0.0
