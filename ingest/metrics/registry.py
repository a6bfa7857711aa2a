"""The sums of the counts of all child processes: one series for each metric and its labels."""

import threading
from collections.abc import Callable, Collection, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ingest.metrics.catalogue import METRICS, PROCESS_UP, Metric
from ingest.metrics.meter import Labels, Snapshot
from ingest.metrics.page import Page
from ingest.printable import printable

Owner = tuple[str, str]
"""(role, slot) of the child process that a series is about."""


class Registry:
    """All series of this node. Written by the supervisor's loop, read by the HTTP threads.

    A series lives only while it is true: a gauge as long as the process that measures it (`lapse`), a counter as long
    as its slot (`keep_only`). A series of several owners ends with the last of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, dict[Labels, float | tuple[list[int], float]]] = {m.name: {} for m in METRICS}
        self._metrics = {metric.name: metric for metric in METRICS}
        self._owned: dict[Owner, set[tuple[str, Labels]]] = {}

    def apply(self, snapshot: Snapshot, owner: Owner | None = None) -> None:
        """Adds what a child counted since its last snapshot. A series without an owner is permanent."""
        with self._lock:
            if owner is not None and snapshot:
                self._owned.setdefault(owner, set()).update((name, labels) for name, labels, _ in snapshot)
            for name, labels, value in snapshot:
                series = self._series[name]
                before = series.get(labels)
                if isinstance(value, tuple):
                    deltas, total = value
                    if isinstance(before, tuple):
                        deltas = [old + new for old, new in zip(before[0], deltas, strict=True)]
                        total += before[1]
                    series[labels] = (deltas, total)
                elif self._metrics[name].kind == "counter":
                    series[labels] = value + (before if isinstance(before, float | int) else 0)
                elif self._metrics[name].kind == "info":
                    # The old value is no longer true: a partition has one transport at a time.
                    for other in [key for key in series if key[:-1] == labels[:-1]]:
                        del series[other]
                    series[labels] = value
                else:
                    series[labels] = value

    def add(self, metric: Metric, delta: float, *labels: str, owner: Owner | None = None) -> None:
        self.apply([(metric.name, labels, delta)], owner)

    def set(self, metric: Metric, value: float, *labels: str, owner: Owner | None = None) -> None:
        self.apply([(metric.name, labels, value)], owner)

    def lapse(self, owner: Owner) -> None:
        """Drops what the slot's process, now gone, measured last. Its counts stay, and so does `PROCESS_UP`, by which
        the supervisor reports it down."""
        with self._lock:
            self._drop(owner, lambda metric: metric.kind in ("gauge", "info", "summary") and metric is not PROCESS_UP)

    def forget(self, owner: Owner) -> None:
        """Drops every series of a slot that no longer exists."""
        with self._lock:
            self._drop(owner, lambda _: True)
            self._owned.pop(owner, None)

    def keep_only(self, role: str, slots: Collection[str]) -> None:
        """Drops every series of the role's other slots: it has only these."""
        with self._lock:
            for owner in [owner for owner in self._owned if owner[0] == role and owner[1] not in slots]:
                self._drop(owner, lambda _: True)
                del self._owned[owner]

    def _drop(self, owner: Owner, which: Callable[[Metric], bool]) -> None:
        owned = self._owned.get(owner, set())
        for name, labels in [key for key in owned if which(self._metrics[key[0]])]:
            owned.discard((name, labels))
            if not any((name, labels) in others for others in self._owned.values()):
                self._series[name].pop(labels, None)

    def value(self, metric: Metric, *labels: str) -> float:
        """Returns the value of one counter or gauge series; 0 before the first count."""
        with self._lock:
            value = self._series[metric.name].get(labels, 0.0)
        return value if isinstance(value, float | int) else value[1]

    def page(self, metrics: Collection[Metric]) -> Page:
        """Returns a copy of these counters, gauges and infos, as `read_page` reads them from /metrics."""
        with self._lock:
            copy = {metric.name: list(self._series[metric.name].items()) for metric in metrics}
        return Page(
            {
                name: {
                    tuple(map(printable, labels)): float(value)
                    for labels, value in series
                    if isinstance(value, float | int)
                }
                for name, series in copy.items()
            }
        )

    def collect(self) -> Iterator[Family]:
        """Yields the families: the collector interface of prometheus_client."""
        with self._lock:
            copy = {name: list(series.items()) for name, series in self._series.items()}
        for metric in METRICS:
            if copy[metric.name]:
                yield _family(metric, copy[metric.name])


def _family(metric: Metric, series: list[tuple[Labels, float | tuple[list[int], float]]]) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        bounds = [*(repr(bound) for bound in metric.buckets), "+Inf"]
        for labels, value in series:
            if isinstance(value, tuple):
                counts, running = [], 0
                for count in value[0]:
                    running += count
                    counts.append(running)
                buckets = [(bound, float(count)) for bound, count in zip(bounds, counts, strict=True)]
                histogram.add_metric(labels, buckets, value[1])
        return histogram
    if metric.kind == "summary":
        # prometheus_client's own summary family has a count and a sum, but no quantiles.
        summary = Family(metric.full_name, metric.help, "summary")
        for labels, value in series:
            if not isinstance(value, tuple):
                summary.add_sample(metric.full_name, dict(zip(metric.labels, labels, strict=True)), value)
        return summary
    family: CounterMetricFamily | GaugeMetricFamily = (
        CounterMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        if metric.kind == "counter"
        else GaugeMetricFamily(metric.full_name, metric.help, labels=metric.labels)
    )
    for labels, value in series:
        if not isinstance(value, tuple):
            family.add_metric(labels, value)
    return family
