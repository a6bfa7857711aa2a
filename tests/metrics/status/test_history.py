import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.metrics import catalogue as m
from ingest.metrics.page import Page
from ingest.metrics.registry import Registry
from ingest.metrics.status.history import COUNTED, MEASURED, NAMES, SAMPLES, History, short, values


def page(registry: Registry) -> Page:
    return registry.page([*COUNTED, *MEASURED])


def test_rates_are_over_all_processes_and_lags_are_summed_or_the_worst() -> None:
    registry = Registry()
    for partition, lag in (("0", 10.0), ("1", 30.0)):
        registry.add(m.SOURCE_EVENTS, 100, partition)
        registry.set(m.SOURCE_LAG_EVENTS, lag, partition)
        registry.set(m.SOURCE_LAG_SECONDS, lag / 10, partition)
    for outcome in ("sent", "retried"):
        registry.add(m.SINK_COMMANDS, 0, "0", outcome)
    before = page(registry)
    registry.add(m.SOURCE_EVENTS, 20, "0")
    registry.add(m.SOURCE_EVENTS, 30, "1")
    registry.add(m.SINK_COMMANDS, 5, "0", "sent")
    registry.add(m.SINK_COMMANDS, 7, "0", "retried")
    found = values(page(registry), before, 5.0)
    assert found["source_events_per_second"] == 10
    assert (found["source_lag_events"], found["source_lag_seconds"]) == (40, 3)
    assert found["sink_commands_per_second"] == 1, "only those that were sent"


def test_what_nothing_measures_is_unknown_and_so_is_a_rate_without_an_earlier_look() -> None:
    registry = Registry()
    registry.add(m.SOURCE_EVENTS, 100, "0")
    assert set(values(page(registry), Page({}), 5.0).values()) == {None}
    assert set(values(page(registry), page(registry), 0.0).values()) == {None}


def test_a_partition_that_comes_with_its_count_or_goes_makes_no_jump() -> None:
    before, now = Registry(), Registry()
    before.add(m.SOURCE_EVENTS, 1_000_000, "gone")
    before.add(m.SOURCE_EVENTS, 10, "0")
    now.add(m.SOURCE_EVENTS, 2_000_000, "new")
    now.add(m.SOURCE_EVENTS, 20, "0")
    assert values(page(now), page(before), 1.0)["source_events_per_second"] == 10


def test_a_limit_or_lag_that_is_no_number_is_unknown() -> None:
    registry = Registry()
    registry.set(m.SOURCE_LAG_EVENTS, math.nan, "0")
    registry.set(m.SINK_RATE_LIMIT, math.inf, "0")
    found = values(page(registry), page(registry), 1.0)
    assert found["source_lag_events"] is found["sink_rate_limit_per_second"] is None


def test_it_holds_fifteen_minutes_and_no_more() -> None:
    history = History()
    for moment in range(SAMPLES + 50):
        history.add(moment * 5.0, {"source_lag_events": float(moment)})
    kept = history.as_json()
    assert set(kept) == {"time", *NAMES}
    assert {len(each) for each in kept.values()} == {SAMPLES}
    assert kept["time"][-1] - kept["time"][0] == (SAMPLES - 1) * 5
    assert kept["source_lag_events"][-1] == SAMPLES + 49
    assert kept["sink_lag_records"] == [None] * SAMPLES


@given(st.floats(0, 1e300))
def test_a_short_number_is_close(value: float) -> None:
    assert short(value) == pytest.approx(value, rel=1e-3)
    assert len(repr(float(short(value)))) <= 24
