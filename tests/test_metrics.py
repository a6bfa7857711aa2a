import math

from hypothesis import given
from hypothesis import strategies as st

from ingest import metrics as m
from ingest.exposition import Registry
from ingest.metrics import METRICS, Histogram, Meter


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
