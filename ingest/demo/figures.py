"""The figures of the demo's table, read from the source's metrics page. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from ingest import metrics as m

_PER_PARTITION = {
    m.SOURCE_EVENTS.full_name: "received",
    m.SOURCE_ACKED.full_name: "acked",
    m.SOURCE_LAG_EVENTS.full_name: "lag",
    m.SOURCE_CHECKPOINT.full_name: "checkpoint_at",
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
class Figures:
    partitions: Mapping[str, PartitionFigures] = field(default_factory=dict)
    """By partition id, in the order of the numbers."""
    restarts: float = 0.0
    dead_letters: float = 0.0


def read_figures(text: str) -> Figures:
    """`text` in the Prometheus text format."""
    partitions: dict[str, PartitionFigures] = {}
    figures = Figures()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if name := _PER_PARTITION.get(sample.name):
                setattr(partitions.setdefault(sample.labels["partition"], PartitionFigures()), name, sample.value)
            elif sample.name == m.PROCESS_RESTARTS.full_name:
                figures.restarts += sample.value
            elif sample.name == m.SOURCE_DEAD_LETTERS.full_name:
                figures.dead_letters += sample.value
    figures.partitions = {partition: partitions[partition] for partition in sorted(partitions, key=int)}
    return figures
