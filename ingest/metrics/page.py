"""Reads back the metrics page: what another process of ingest has counted. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics.catalogue import METRICS, Metric
from ingest.printable import printable

Labels = tuple[str, ...]
Series = Mapping[Labels, float]
"""Values of a metric's labels, in their declared order → value."""


@dataclass(frozen=True, slots=True)
class Page:
    """The counters and gauges of a page; a metric that the page lacks has no series."""

    series: Mapping[str, Series]
    """By metric name."""

    def of(self, metric: Metric) -> Series:
        return self.series.get(metric.name, {})

    def value(self, metric: Metric, *labels: str) -> float | None:
        return self.of(metric).get(labels)

    def sums(self, metric: Metric, label: int = 0) -> dict[str, float]:
        """Returns the sum over all series with the same value of one label, the first one by default."""
        summed: dict[str, float] = {}
        for labels, value in self.of(metric).items():
            summed[labels[label]] = summed.get(labels[label], 0.0) + value
        return summed

    def total(self, metric: Metric, *labels: str) -> float | None:
        """Returns the sum over all series whose labels begin with these; None if there are none."""
        values = [value for key, value in self.of(metric).items() if key[: len(labels)] == labels]
        return sum(values) if values else None


def read_page(text: str) -> Page:
    """Reads `text` in the Prometheus text format, without metrics unknown to the catalogue; makes labels printable.
    Raises ValueError if the format is another one."""
    known = {metric.full_name: metric for metric in METRICS}
    series: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric = known.get(sample.name)
            if metric is not None and set(sample.labels) >= set(metric.labels):
                labels = tuple(printable(sample.labels[name]) for name in metric.labels)
                series.setdefault(metric.name, {})[labels] = sample.value
    return Page(series)
