"""A page of the registry, read back, is what the registry holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import METRICS, Metric
from ingest.metrics.page import Page, read_page
from ingest.metrics.registry import Registry
from ingest.printable import printable

PLAIN = [metric for metric in METRICS if metric.kind in ("counter", "gauge", "info")]


def page_of(registry: Registry) -> Page:
    collectors = CollectorRegistry()
    collectors.register(registry)
    return read_page(generate_latest(collectors).decode())


@given(st.data(), st.sampled_from(PLAIN))
def test_what_is_told_is_read(data: st.DataObject, metric: Metric) -> None:
    labels = data.draw(st.lists(st.text(max_size=5), min_size=len(metric.labels), max_size=len(metric.labels)))
    value = data.draw(st.floats(0, 1e15))
    registry = Registry()
    registry.set(metric, value, *labels) if metric.kind != "counter" else registry.add(metric, value, *labels)
    assert page_of(registry).value(metric, *map(printable, labels)) == value


def test_sums_are_over_what_begins_alike_and_nothing_is_made_up() -> None:
    registry = Registry()
    for reason, count in (("too_large", 2), ("other", 3)):
        registry.add(m.SOURCE_DEAD_LETTERS, count, "1", reason)
    registry.add(m.SOURCE_DEAD_LETTERS, 7, "2", "other")
    page = page_of(registry)
    assert (page.total(m.SOURCE_DEAD_LETTERS, "1"), page.total(m.SOURCE_DEAD_LETTERS)) == (5, 12)
    assert page.total(m.SOURCE_DEAD_LETTERS, "3") is None
    assert page.value(m.SOURCE_EVENTS, "1") is None


def test_what_is_no_metrics_page_is_said_to_be_none() -> None:
    assert not read_page("# TYPE up gauge\nup 1\n").series
    with pytest.raises(ValueError, match=r"."):
        read_page("<html>not found</html>")
