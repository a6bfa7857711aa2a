import ast
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hub import conditions
from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import METRICS
from ingest.metrics.meter import MALFORMED_FEEDBACK, Histogram, Meter, zeros
from ingest.metrics.registry import Registry
from ingest.sink.commands import records
from ingest.sink.feedback import process
from ingest.sink.sending import results

PACKAGE = Path(m.__file__).parents[1]


def test_every_metric_is_named_as_prometheus_wants_it() -> None:
    names = [metric.full_name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.full_name.startswith("ingest_")
        assert metric.full_name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.meaning.endswith("."), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert "device" not in metric.labels, "one series per device would be millions"


def test_a_snapshot_holds_what_changed_and_repeats_until_sent() -> None:
    meter = Meter()
    meter.total(m.SOURCE_EVENTS, 5, "0")
    meter.gauge(m.SOURCE_LAG_EVENTS, 7, "0")
    assert meter.changes() == [("source_events_total", ("0",), 5), ("source_lag_events", ("0",), 7)]
    meter.total(m.SOURCE_EVENTS, 8, "0")
    assert ("source_events_total", ("0",), 8) in meter.changes()
    meter.sent()
    assert meter.changes() == []
    meter.total(m.SOURCE_EVENTS, 9, "0")
    assert meter.changes() == [("source_events_total", ("0",), 1)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 400), st.booleans()), max_size=5), max_size=6))
def test_the_registry_ends_with_the_sums_of_all_lives(lives: list[list[tuple[int, float, bool]]]) -> None:
    """Each life of a child starts counting at 0; an unsent snapshot of a life is lost only with its process."""
    registry = Registry()
    events, observed = 0, 0
    for life in lives:
        meter, total, histogram = Meter(), 0, Histogram(m.DELIVERY_BUCKETS)
        for step, seconds, delivered in life:
            total += step
            histogram.observe(seconds, step)
            meter.total(m.SOURCE_EVENTS, total, "3")
            meter.histogram(m.SOURCE_DELIVERY, histogram, "3")
            if delivered:
                registry.apply(meter.changes())
                meter.sent()
        registry.apply(meter.changes())
        events += total
        observed += total
    assert registry.value(m.SOURCE_EVENTS, "3") == events
    samples = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    if events:
        assert samples["ingest_source_delivery_seconds_count", None] == observed


def test_a_value_on_a_bucket_bound_belongs_to_that_bucket() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.100001, 1.0, 5.0):
        histogram.observe(value)
    assert histogram.counts == [1, 2, 1]
    assert math.isclose(histogram.sum, 6.200001)


@given(st.lists(st.integers(0, 2_000)), st.integers(1_000, 4_000))
def test_many_at_once_count_as_they_do_one_by_one(moments: list[int], now: int) -> None:
    at_once, one_by_one = Histogram((0.1, 0.5, 1.0)), Histogram((0.1, 0.5, 1.0))
    at_once.observe_since(sorted(moments), now)
    for moment in moments:
        one_by_one.observe((now - moment) / 1000)
    assert at_once.counts == one_by_one.counts
    assert math.isclose(at_once.sum, one_by_one.sum, abs_tol=1e-9)


def test_a_process_begins_with_its_counters_at_zero() -> None:
    registry = Registry()
    registry.apply(zeros("source", "3"))
    samples = {(sample.name, *sample.labels.values()) for family in registry.collect() for sample in family.samples}
    assert ("ingest_source_events_total", "3") in samples
    assert ("ingest_source_reconnects_total", "3", "stolen") in samples
    assert ("ingest_source_delivery_seconds_bucket", "3", "+Inf") in samples
    assert ("ingest_kafka_retries_total", "source", "3") in samples
    assert ("ingest_process_restarts_total", "source", "3") in samples
    assert not [sample for sample in samples if "sink" in sample[0]]
    assert all(sample.value == 0 for family in registry.collect() for sample in family.samples)


def test_a_start_after_others_takes_nothing_from_their_counts() -> None:
    registry = Registry()
    registry.add(m.SINK_COMMANDS, 7, "0", "sent")
    registry.apply(zeros("sink", "0"))
    assert registry.value(m.SINK_COMMANDS, "0", "sent") == 7


@pytest.mark.parametrize(
    ("role", "start"),
    [("source", "source_"), ("sink", "sink_"), ("feedback", "sink_feedback_"), ("discover", None)],
)
def test_each_role_counts_its_own(role: str, start: str | None) -> None:
    own = {name for name, _, _ in zeros(role, "0") if not name.startswith(("process_", "kafka_"))}
    others = {"sink_feedback_total"} if role == "sink" else set()
    more = {"sink_dead_letters_total"} if role == "feedback" else set()
    counted = {
        metric.name
        for metric in METRICS
        if start and metric.name.startswith(start) and metric.kind in ("counter", "histogram")
    }
    assert own == counted - others | more


def literals_of(call: str, *modules: str) -> Iterator[str]:
    """The first literal argument of every `call(...)` in the modules."""
    for module in modules:
        for path in sorted((PACKAGE / module).rglob("*.py")) if (PACKAGE / module).is_dir() else [PACKAGE / module]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == call:
                    argument = node.args[0]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


REDRIVE = ("delivery/redriven", "receiving/refetch", "formats/restore")
"""What raises Undeliverable for letters that are brought back."""


def test_the_reasons_of_dead_letters_are_counted_from_zero() -> None:
    source = {*literals_of("Undeliverable", "source", "kafka/producer.py")}
    source -= {*literals_of("Undeliverable", *(f"source/{name}.py" for name in REDRIVE))}
    assert source | {"invalid_record", "invalid_timestamp", "not_sendable"} == {*m.SOURCE_DEAD_LETTERS.known}
    sink = {*literals_of("Undeliverable", "sink", "kafka/producer.py")}
    # A command whose device alone meets a fault that passes is given up in the end.
    answers = [meaning.message for meaning in conditions._MEANINGS.values() if meaning.message is not None]
    hub = {answer.reason for answer in answers if answer.verdict in ("dead", "queue_full", "retry")}
    more = {"other", results.RELEASED.reason, results.UNANSWERED.reason, records.UNEXPECTED}
    assert sink | hub | more == {*m.SINK_DEAD_LETTERS.known}


def test_the_feedback_process_begins_with_its_own_dead_letters_at_zero() -> None:
    registry = Registry()
    registry.apply(zeros("feedback", "0"))
    assert registry.value(m.SINK_DEAD_LETTERS, m.FEEDBACK_WORKER, MALFORMED_FEEDBACK) == 0
    assert ("sink_dead_letters_total", ("0", "malformed"), 0) not in zeros("feedback", "0")


def test_the_reasons_of_reconnects_are_counted_from_zero() -> None:
    """Those of a link that is opened again: a refusal of a name ends the process at its first link instead."""
    ends = [meaning.link for meaning in conditions._MEANINGS.values() if meaning.link is not None]
    reasons = {
        *(end.reason for end in ends if end.verdict == "lost"),
        "bad_position",
        "no_token",
        "other",
        "scarcity",
        "silent",
        "unauthorized",
    }
    assert reasons == {*m.SOURCE_RECONNECTS.known}


def test_the_statuses_of_feedback_are_counted_from_zero() -> None:
    assert {*process.STATUSES, "other", "repeat", "malformed"} == {*m.SINK_FEEDBACK.known}
