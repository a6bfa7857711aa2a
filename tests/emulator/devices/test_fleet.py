import json
from collections import defaultdict
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.devices.fleet import ALERT, CALM, Fleet, Pacer


def test_a_seed_gives_the_same_events_however_they_are_taken() -> None:
    at_once = list(Fleet(7, seed=3, body_bytes=300).take(100))
    fleet = Fleet(7, seed=3, body_bytes=300)
    in_slices = [event for size in (1, 0, 30, 69) for event in fleet.take(size)]
    assert in_slices == at_once
    assert list(Fleet(7, seed=4, body_bytes=300).take(100)) != at_once


@given(devices=st.integers(1, 20), events=st.integers(0, 200), seed=st.integers())
def test_every_device_counts_from_one_without_holes(devices: int, events: int, seed: int) -> None:
    fleet = Fleet(devices, seed)
    counters: defaultdict[str, list[int]] = defaultdict(list)
    for event in fleet.take(events):
        body = json.loads(event.body)
        assert body["deviceId"] == event.device_id
        counters[event.device_id].append(body["counter"])
    assert all(taken == list(range(1, len(taken) + 1)) for taken in counters.values())
    assert {name: count for name, count in fleet.counters.items() if count} == {
        name: len(taken) for name, taken in counters.items()
    }
    assert max(fleet.counters.values()) - min(fleet.counters.values()) <= 1
    assert list(fleet.counters) == [f"device-{number:04d}" for number in range(1, devices + 1)]


def test_values_are_plausible_and_change_slowly() -> None:
    last: dict[str, dict[str, float]] = {}
    for event in Fleet(5, seed=1).take(20_000):
        body = json.loads(event.body)
        assert -10 < body["temperature"] < 60
        assert 0 <= body["humidity"] <= 100
        assert 950 < body["pressure"] < 1070
        assert 0 <= body["battery"] <= 100
        assert body["state"] in ("ok", "hot", "low-battery")
        if before := last.get(event.device_id):
            assert abs(body["temperature"] - before["temperature"]) < 1
            assert abs(body["pressure"] - before["pressure"]) < 1
        last[event.device_id] = body


def test_the_alert_property_follows_the_temperature() -> None:
    seen = {body["state"]: event for event in Fleet(5, seed=1).take(20_000) if (body := json.loads(event.body))}
    assert seen["hot"].properties is ALERT
    assert seen["ok"].properties is CALM


@given(size=st.integers(100, 1000), seed=st.integers(0, 50))
def test_bodies_are_padded_to_the_byte_and_stay_json(size: int, seed: int) -> None:
    padded = Fleet(3, seed, body_bytes=size).take(50)
    for event, plain in zip(padded, Fleet(3, seed).take(50), strict=True):
        assert len(event.body) == max(size, len(plain.body))
        assert json.loads(event.body) | {"padding": ""} == json.loads(plain.body) | {"padding": ""}


def test_padding_does_not_repeat_from_event_to_event() -> None:
    paddings = [json.loads(event.body)["padding"] for event in Fleet(1, body_bytes=600).take(10)]
    assert len(set(paddings)) == len(paddings)


@given(
    rate=st.floats(0.1, 1e6),
    total=st.integers(0, 5000),
    start=st.floats(0, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 1000)), max_size=30),
)
def test_a_pacer_is_never_early_and_never_over(
    rate: float, total: int, start: float, steps: list[tuple[float, int]]
) -> None:
    pacer = Pacer(rate, total, start)
    now, sent = start, 0
    for step, at_most in steps:
        now += step
        count = pacer.due(now, at_most)
        assert 0 <= count <= at_most
        sent += count
        assert pacer.sent == sent <= (now - start) * rate * 1.000001 + 2
        assert not total or sent <= total
        assert pacer.done == (bool(total) and sent == total)
        if count < at_most and not pacer.done:
            wait = pacer.wait_seconds(now)
            assert 0 <= wait <= 1 / rate * 1.001 + 1e-6
            now += wait + 1e-9
            assert pacer.due(now, 1) == 1
            sent += 1


def test_a_pacer_makes_up_for_what_was_late() -> None:
    pacer = Pacer(10, 0, 100.0)
    assert pacer.due(100.0, 1000) == 1
    assert pacer.due(105.0, 20) == 20
    assert pacer.due(105.0, 1000) == 30


def test_a_pacer_without_a_rate_has_all_events_due_at_once() -> None:
    pacer = Pacer(0, 25, 0.0)
    assert pacer.due(0.0, 20) == 20
    assert pacer.wait_seconds(0.0) == 0
    assert pacer.due(0.0, 20) == 5
    assert pacer.done
    assert pacer.due(9.0, 20) == 0
    assert pacer.wait_seconds(0.0) == inf
