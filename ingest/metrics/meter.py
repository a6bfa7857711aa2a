"""What a child counts, on its way to the supervisor: deltas of the catalogue's metrics."""

from bisect import bisect_left
from collections.abc import Sequence

from ingest.metrics.catalogue import FEEDBACK_WORKER, METRICS, PER_PROCESS, SINK_DEAD_LETTERS, Metric

Labels = tuple[str, ...]


Snapshot = list[tuple[str, Labels, float | tuple[list[int], float]]]
"""(metric name, label values, delta of a counter | value of a gauge | (bucket deltas, sum delta) of a histogram)."""


MALFORMED_FEEDBACK = "malformed_feedback"
"""Reason of a dead letter that is a message of the hub."""


def zeros(role: str, slot: str) -> Snapshot:
    """Every counter and histogram of one child process at 0, so that a first increment is seen as one."""
    snapshot: Snapshot = []
    for metric in METRICS:
        if role not in metric.roles or metric.kind not in ("counter", "histogram"):
            continue
        own = (role, slot) if metric.labels[:2] == PER_PROCESS else (slot,)
        labels = [(*own, value) for value in metric.known] if len(metric.labels) > len(own) else [own]
        zero = ([0] * (len(metric.buckets) + 1), 0.0) if metric.kind == "histogram" else 0
        snapshot += [(metric.name, each, zero) for each in labels]
    if role == "feedback":
        snapshot.append((SINK_DEAD_LETTERS.name, (FEEDBACK_WORKER, MALFORMED_FEEDBACK), 0))
    return snapshot


class Histogram:
    """Bucket counts in a process's own plain ints. `counts[i]` is the bucket that ends at `buckets[i]`; the last is
    +Inf."""

    __slots__ = ("buckets", "counts", "sum")

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Counts `times` observations of `value`."""
        self.counts[bisect_left(self.buckets, value)] += times
        self.sum += value * times

    def observe_since(self, moments: Sequence[int], now: float) -> None:
        """Counts the seconds from each of `moments` to `now`, all in milliseconds; `moments` in ascending order.

        Costs one search for each bucket, however many different moments there are.
        """
        counted = 0
        for index, bucket in enumerate(self.buckets):
            within = len(moments) - bisect_left(moments, now - bucket * 1000)
            self.counts[index] += within - counted
            counted = within
            if counted == len(moments):
                break
        self.counts[-1] += len(moments) - counted
        self.sum += (len(moments) * now - sum(moments)) / 1000


class Meter:
    """Turns a process's running totals into deltas. Not thread-safe: one owner calls it, once a second."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, Labels], float | tuple[list[int], float]] = {}
        self._now: dict[tuple[str, Labels], tuple[Metric, float | tuple[list[int], float]]] = {}

    def total(self, metric: Metric, value: float, *labels: str) -> None:
        """`value` is the running total of a counter since this process began."""
        self._now[(metric.name, labels)] = (metric, value)

    def gauge(self, metric: Metric, value: float, *labels: str) -> None:
        self._now[(metric.name, labels)] = (metric, value)

    def histogram(self, metric: Metric, histogram: Histogram, *labels: str) -> None:
        self._now[(metric.name, labels)] = (metric, (list(histogram.counts), histogram.sum))

    def changes(self) -> Snapshot:
        """What changed since the last `sent()`; calling it again without `sent()` gives the same changes and more."""
        snapshot: Snapshot = []
        for key, (metric, value) in self._now.items():
            before = self._sent.get(key)
            if value == before:
                continue
            if isinstance(value, tuple):
                counts, total = value
                old_counts, old_total = before if isinstance(before, tuple) else ([0] * len(counts), 0.0)
                deltas = [new - old for new, old in zip(counts, old_counts, strict=True)]
                snapshot.append((*key, (deltas, total - old_total)))
            elif metric.kind == "counter":
                snapshot.append((*key, value - (before if isinstance(before, float | int) else 0)))
            else:
                snapshot.append((*key, value))
        return snapshot

    def sent(self) -> None:
        """The last `changes()` has left this process."""
        self._sent = {key: value for key, (_, value) in self._now.items()}
