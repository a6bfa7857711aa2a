"""The figures of the demo's table, read from the metrics page of `ingest run`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingest.metrics import catalogue as m
from ingest.metrics.cluster import CLUSTER_OWNED
from ingest.metrics.page import Page, read_page


@dataclass(slots=True)
class PartitionFigures:
    received: float = 0.0
    acked: float = 0.0
    lag: float | None = None
    """Events; None while unknown."""
    checkpoint_at: float | None = None
    """Unix seconds; None before the first checkpoint."""


@dataclass(slots=True)
class WorkerFigures:
    """One sink process."""

    sent: float = 0.0
    again: float = 0.0
    """Sends that had to be repeated."""
    throttled: float = 0.0
    in_flight: float = 0.0
    lag: float = 0.0
    """Records."""


@dataclass(slots=True)
class Figures:
    partitions: Mapping[str, PartitionFigures] = field(default_factory=dict)
    """By partition id, in numeric order."""
    workers: Mapping[str, WorkerFigures] = field(default_factory=dict)
    """By number of the sink process, in numeric order."""
    restarts: float = 0.0
    dead_letters: float = 0.0
    owned: float = 0.0
    """Partitions that a node has of those that several share."""


def read_figures(text: str) -> Figures:
    """Reads figures from `text` in the Prometheus text format."""
    page = read_page(text)

    def of_partition(partition: str) -> PartitionFigures:
        return PartitionFigures(
            received=page.value(m.SOURCE_EVENTS, partition) or 0.0,
            acked=page.value(m.SOURCE_ACKED, partition) or 0.0,
            lag=page.value(m.SOURCE_LAG_EVENTS, partition),
            checkpoint_at=page.value(m.SOURCE_CHECKPOINT, partition),
        )

    def of_worker(worker: str) -> WorkerFigures:
        return WorkerFigures(
            sent=page.total(m.SINK_COMMANDS, worker, "sent") or 0.0,
            again=sum(page.total(m.SINK_COMMANDS, worker, how) or 0.0 for how in ("retried", "possible_repeat")),
            throttled=page.value(m.SINK_THROTTLED, worker) or 0.0,
            in_flight=page.value(m.SINK_IN_FLIGHT, worker) or 0.0,
            lag=page.value(m.SINK_LAG, worker) or 0.0,
        )

    return Figures(
        {partition: of_partition(partition) for partition in _named(page, _OF_PARTITION)},
        {worker: of_worker(worker) for worker in _named(page, _OF_WORKER)},
        restarts=page.total(m.PROCESS_RESTARTS) or 0.0,
        dead_letters=sum(page.total(metric) or 0.0 for metric in (m.SOURCE_DEAD_LETTERS, m.SINK_DEAD_LETTERS)),
        owned=page.total(CLUSTER_OWNED) or 0.0,
    )


_OF_PARTITION = (m.SOURCE_EVENTS, m.SOURCE_ACKED, m.SOURCE_LAG_EVENTS, m.SOURCE_CHECKPOINT)
_OF_WORKER = (m.SINK_COMMANDS, m.SINK_IN_FLIGHT, m.SINK_LAG, m.SINK_THROTTLED)


def _named(page: Page, metrics: Sequence[m.Metric]) -> list[str]:
    """Returns the first label of all their series, in numeric order."""
    return sorted({labels[0] for metric in metrics for labels in page.of(metric)}, key=int)
