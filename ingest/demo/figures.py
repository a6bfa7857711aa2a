"""The figures of the demo's table, read from the metrics page of `ingest run`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics import catalogue as m

_PER_PARTITION = {
    m.SOURCE_EVENTS.full_name: "received",
    m.SOURCE_ACKED.full_name: "acked",
    m.SOURCE_LAG_EVENTS.full_name: "lag",
    m.SOURCE_CHECKPOINT.full_name: "checkpoint_at",
}
_PER_WORKER = {
    m.SINK_IN_FLIGHT.full_name: "in_flight",
    m.SINK_LAG.full_name: "lag",
    m.SINK_THROTTLED.full_name: "throttled",
}


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
    """By partition id, in the order of the numbers."""
    workers: Mapping[str, WorkerFigures] = field(default_factory=dict)
    """By number of the sink process, in that order."""
    restarts: float = 0.0
    dead_letters: float = 0.0


def read_figures(text: str) -> Figures:
    """`text` in the Prometheus text format."""
    partitions: dict[str, PartitionFigures] = {}
    workers: dict[str, WorkerFigures] = {}
    figures = Figures()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if name := _PER_PARTITION.get(sample.name):
                setattr(partitions.setdefault(sample.labels["partition"], PartitionFigures()), name, sample.value)
            elif sample.name == m.PROCESS_RESTARTS.full_name:
                figures.restarts += sample.value
            elif sample.name in (m.SOURCE_DEAD_LETTERS.full_name, m.SINK_DEAD_LETTERS.full_name):
                figures.dead_letters += sample.value
            elif name := _PER_WORKER.get(sample.name):
                setattr(workers.setdefault(sample.labels["worker"], WorkerFigures()), name, sample.value)
            elif sample.name == m.SINK_COMMANDS.full_name:
                worker = workers.setdefault(sample.labels["worker"], WorkerFigures())
                if sample.labels["outcome"] == "sent":
                    worker.sent += sample.value
                elif sample.labels["outcome"] in ("retried", "possible_repeat"):
                    worker.again += sample.value
    figures.workers = {worker: workers[worker] for worker in sorted(workers, key=int)}
    figures.partitions = {partition: partitions[partition] for partition in sorted(partitions, key=int)}
    return figures
