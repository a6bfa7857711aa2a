import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from ingest.cli.status.table import PARTITION_COLUMNS, WORKER_COLUMNS, as_json, as_lines, as_rich, duration
from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import PARTS
from ingest.metrics.catalogue import METRICS, Metric
from ingest.metrics.meter import Snapshot, zeros
from ingest.metrics.registry import Registry
from ingest.metrics.status.limits import DOWN, UNKNOWN, limits
from ingest.metrics.status.rows import Look, Status, read, status

NOW = 1_700_000_000.0


def look(registry: Registry, at: float = 0.0, unready: tuple[str, ...] = ()) -> Look:
    collectors = CollectorRegistry()
    collectors.register(registry)
    return read(generate_latest(collectors).decode(), at=at, unix=NOW + at, unready=unready)


def loaded() -> Registry:
    registry = Registry()
    for partition in ("10", "2"):
        registry.apply(zeros("source", partition))
        registry.set(m.PROCESS_UP, 1, "source", partition)
    registry.apply(zeros("sink", "0"))
    registry.set(m.PROCESS_UP, 1, "sink", "0")
    registry.set(m.SOURCE_LAG_EVENTS, 120, "2")
    registry.set(m.SOURCE_LAST_EVENT, NOW - 3, "2")
    registry.set(m.SOURCE_CHECKPOINT, NOW - 4, "2")
    registry.set(m.SOURCE_REPLAY, 33, "2")
    registry.set(m.SOURCE_DATA_LOSS, math.inf, "2")
    registry.set(m.SOURCE_TRANSPORT, 1, "2", "fast")
    registry.add(m.SOURCE_DEAD_LETTERS, 2, "2", "too_large")
    registry.add(m.SOURCE_DEAD_LETTERS, 1, "2", "a_new_reason")
    registry.add(m.PROCESS_RESTARTS, 1, "source", "2")
    registry.set(m.SINK_IN_FLIGHT, 7, "0")
    registry.set(m.SINK_RATE_LIMIT, 1.6583, "0")
    return registry


def waiting(registry: Registry, role: str, slot: str, **shares: float) -> None:
    for part in PARTS:
        registry.set(m.BOTTLENECK, shares.get(part, 0.0), role, slot, part)


def test_rows_are_read_from_a_page_and_rates_from_two() -> None:
    registry = loaded()
    before = look(registry)
    registry.add(m.SOURCE_EVENTS, 5000, "2")
    registry.add(m.SINK_COMMANDS, 3, "0", "sent")
    found = status(look(registry, at=2.0), before)
    assert [row.partition for row in found.partitions] == ["2", "10"], "in the order of the numbers"
    first = found.partitions[0]
    assert (first.up, first.events_per_second, first.lag_events, first.replay_events) == (True, 2500.0, 120.0, 33.0)
    assert (first.data_age_seconds, first.checkpoint_age_seconds) == (5.0, 6.0)
    assert (first.seconds_until_data_loss, first.dead_letters, first.restarts) == (math.inf, 3.0, 1.0)
    assert first.transport == "fast"
    quiet = found.partitions[1]
    assert (quiet.events_per_second, quiet.lag_events, quiet.data_age_seconds, quiet.transport) == (0, None, None, None)
    (worker,) = found.workers
    assert (worker.commands_per_second, worker.in_flight, worker.dead_letters) == (1.5, 7.0, 0.0)
    assert found.rate_limit_per_second == 1.6583


def test_a_rate_over_a_restart_of_the_service_is_not_known() -> None:
    registry = loaded()
    registry.add(m.SOURCE_EVENTS, 5000, "2")
    found = status(look(loaded(), at=2.0), look(registry))
    assert found.partitions[0].events_per_second is None


def test_one_look_alone_has_no_rate() -> None:
    alone = look(loaded())
    assert status(alone, alone).partitions[0].events_per_second is None


def test_a_page_of_another_program_has_nothing() -> None:
    assert not read("# TYPE up gauge\nup 1\n", at=0, unix=NOW).series


def test_text_that_is_no_metrics_is_refused() -> None:
    with pytest.raises(ValueError, match=r".*"):
        read("<html>404</html>", at=0, unix=NOW)


@st.composite
def pages(draw: st.DrawFn) -> tuple[Registry, Registry]:
    """A page with any part of the series, and the page a little later with some more; values may be odd."""
    snapshots: list[Snapshot] = []
    for _ in range(2):
        snapshot: Snapshot = []
        for metric in draw(st.lists(st.sampled_from(METRICS), max_size=12)):
            if metric.kind == "histogram":
                continue
            labels = tuple(draw(values_of(metric, label)) for label in metric.labels)
            numbers = st.floats(0, 1e12) if metric.kind == "counter" else st.floats(allow_nan=True, allow_infinity=True)
            snapshot.append((metric.name, labels, draw(numbers)))
        snapshots.append(snapshot)
    before, now = Registry(), Registry()
    before.apply(snapshots[0])
    now.apply(snapshots[0] if draw(st.booleans()) else [])
    now.apply(snapshots[1])
    return before, now


def values_of(metric: Metric, label: str) -> st.SearchStrategy[str]:
    match label:
        case "partition" | "worker" | "slot":
            return st.sampled_from(["0", "1", "10", "31", "odd name"])
        case "role":
            return st.sampled_from(["source", "sink", "feedback"])
        case "part":
            return st.sampled_from([*PARTS, "a part of a later version"])
        case _:
            return st.sampled_from([*metric.known, "x", 'quo"te\\n\n'])


@given(pages(), st.floats(0, 100))
def test_whatever_a_page_has_or_lacks_is_shown(registries: tuple[Registry, Registry], seconds: float) -> None:
    before, now = look(registries[0]), look(registries[1], at=seconds)
    found = status(now, before)
    named = {labels[1] for labels in now.series.get("process_up", {}) if labels[0] == "source"} | {
        labels[0]
        for metric in METRICS
        if metric.labels[:1] == ("partition",)
        for labels in now.series.get(metric.name, {})
    }
    assert sorted(row.partition for row in found.partitions) == sorted(named)
    for row in found.partitions:
        assert repr(row.lag_events) == repr(now.value(m.SOURCE_LAG_EVENTS, row.partition)), "NaN differs from itself"
        assert row.events_per_second is None or row.events_per_second >= 0
        assert row.data_age_seconds is None or row.data_age_seconds >= 0
    json.loads(json.dumps(as_json(found), allow_nan=False))
    lines = as_lines(found)
    assert len([line for line in lines if line.startswith("limited by")]) == 1
    as_rich(found)
    assert limits(found)


def test_json_has_no_infinity_and_says_what_limits() -> None:
    registry = loaded()
    waiting(registry, "source", "2", kafka_queue=0.9, decode=0.1)
    now = look(registry)
    shown: dict[str, Any] = as_json(status(now, now))
    assert shown["partitions"][0]["seconds_until_data_loss"] is None
    assert shown["limited_by"].startswith("telemetry: Kafka")
    assert {"role": "source", "slot": "2"}.items() <= shown["bottleneck"][0].items()
    assert shown["bottleneck"][0]["kafka_queue"] == 0.9


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"kafka_queue": 0.8, "decode": 0.2},
            "telemetry: Kafka: records wait for its acknowledgements (80% of the time",
        ),
        ({"hub": 0.9, "decode": 0.1}, "telemetry: the hub: it holds more"),
        ({"decode": 0.7, "hub": 0.3}, "telemetry: this machine"),
        ({"blob": 1.0}, "telemetry: the checkpoint store"),
        ({"idle": 0.98, "decode": 0.02}, "telemetry: nothing: caught up"),
        ({"idle": 0.6, "kafka_queue": 0.4}, "telemetry: nothing: caught up"),
        ({"idle": 0.4, "kafka_queue": 0.5, "decode": 0.1}, "telemetry: Kafka"),
    ],
)
def test_what_limits_telemetry_is_said_in_words(parts: dict[str, float], words: str) -> None:
    registry = loaded()
    for partition in ("2", "10"):
        waiting(registry, "source", partition, **parts)
    now = look(registry)
    assert limits(status(now, now)).startswith(words)


def test_one_limited_process_is_not_hidden_by_idle_ones() -> None:
    registry = loaded()
    waiting(registry, "source", "2", kafka_queue=1.0)
    waiting(registry, "source", "10", idle=1.0)
    now = look(registry)
    assert "Kafka: records wait for its acknowledgements (100% of the time, in 1 of 2 processes)" in limits(
        status(now, now)
    )


def test_what_limits_commands_comes_with_the_rate_that_is_allowed() -> None:
    registry = loaded()
    waiting(registry, "sink", "0", c2d_limit=0.95, idle=0.05)
    now = look(registry)
    said = limits(status(now, now)).partition("; ")[2]
    assert said.startswith("commands: the hub's limit")
    assert said.endswith("(1.66/s allowed)")


def test_what_a_dead_process_waited_for_does_not_count() -> None:
    registry = loaded()
    waiting(registry, "source", "2", kafka_queue=1.0)
    registry.set(m.PROCESS_UP, 0, "source", "2")
    waiting(registry, "source", "10", idle=1.0)
    now = look(registry)
    assert limits(status(now, now)).startswith("telemetry: nothing: caught up")
    registry.set(m.PROCESS_UP, 0, "source", "10")
    now = look(registry)
    assert limits(status(now, now)).startswith(f"telemetry: {DOWN}")


def test_an_ingest_without_this_metric_is_not_guessed_at() -> None:
    now = look(loaded())
    assert f"telemetry: {UNKNOWN}" in limits(status(now, now))


def test_nothing_of_a_page_commands_the_terminal() -> None:
    registry = Registry()
    registry.set(m.SOURCE_LAG_EVENTS, 1, "0\x1b[2J")
    shown = "".join(as_lines(status(*[look(registry, unready=("source 0: \x9b2J\u202e",))] * 2)))
    assert "0\\x1b[2J" in shown
    assert "\\x9b2J\\u202e" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_nothing_that_runs_is_no_table() -> None:
    assert as_lines(Status((), (), None)) == ["limited by  nothing runs yet"]


def test_the_plain_table_is_aligned_and_names_what_is_not_ready_once() -> None:
    unready = ("source 2: Kafka is away", "source 10: Kafka is away", "sink 0: hub: server-busy", "starting")
    now = look(loaded(), unready=unready)
    lines = as_lines(status(now, now))
    header, first, second = lines[:3]
    assert len(header) == len(first) == len(second)
    assert all(column in header for column in PARTITION_COLUMNS)
    assert all(column in lines[4] for column in WORKER_COLUMNS)
    assert first.split() == ["2", "up", "-", "120", "3.0", "s", "4.0", "s", "33", "never", "3", "1", "fast"]
    assert lines[-3:] == [
        "not ready   source 2, source 10: Kafka is away",
        "not ready   sink 0: hub: server-busy",
        "not ready   starting",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "never"),
        (0.0, "0.0 s"),
        (119.0, "119.0 s"),
        (120.0, "2 min"),
        (5400.0, "90 min"),
        (7200.0, "2 h"),
        (86_400.0, "24 h"),
        (172_800.0, "2 d"),
    ],
)
def test_durations_are_short(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown
