"""What `ingest status` shows, worked out of two looks at the metrics page. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import Metric
from ingest.printable import printable

Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The metrics page at one moment. What a page does not have is simply not there."""

    at: float
    """Seconds on a clock that is never set back."""
    unix: float
    """The same moment, Unix seconds."""
    series: Mapping[str, Mapping[Labels, float]]
    """Counters and gauges: name of the metric → values of its labels, in their declared order → value."""
    unready: tuple[str, ...] = ()
    """Why the service is not ready; empty when it is."""

    def value(self, metric: Metric, *labels: str) -> float | None:
        return self.series.get(metric.name, {}).get(labels)

    def total(self, metric: Metric, *labels: str) -> float | None:
        """The sum over all series that begin with these labels; None when there is none."""
        values = [value for key, value in self.series.get(metric.name, {}).items() if key[: len(labels)] == labels]
        return sum(values) if values else None


def read(text: str, *, at: float, unix: float, unready: Sequence[str] = ()) -> Look:
    """`text` in the Prometheus text format; what is not of `ingest.metrics.catalogue` is left out. Raises ValueError."""
    known = {metric.full_name: metric for metric in m.METRICS}
    series: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric = known.get(sample.name)
            if metric is not None and set(sample.labels) >= set(metric.labels):
                labels = tuple(printable(sample.labels[name]) for name in metric.labels)
                series.setdefault(metric.name, {})[labels] = sample.value
    return Look(at, unix, series, tuple(map(printable, unready)))


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """One partition process. None: not known."""

    partition: str
    up: bool | None
    events_per_second: float | None
    lag_events: float | None
    data_age_seconds: float | None
    """Age of the last event received."""
    checkpoint_age_seconds: float | None
    replay_events: float | None
    seconds_until_data_loss: float | None
    """+Inf: not in sight."""
    dead_letters: float | None
    restarts: float | None
    transport: str | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One sink process. None: not known."""

    worker: str
    up: bool | None
    commands_per_second: float | None
    in_flight: float | None
    lag_records: float | None
    throttled: float | None
    dead_letters: float | None
    restarts: float | None


@dataclass(frozen=True, slots=True)
class Status:
    partitions: tuple[PartitionRow, ...]
    workers: tuple[WorkerRow, ...]
    rate_limit_per_second: float | None
    """Commands that all sink processes together may send."""
    shares: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    """(role, slot) of each process that is up → part → share of its time."""
    unready: tuple[str, ...] = ()


def status(now: Look, before: Look) -> Status:
    """Rates are those between the two looks; unknown when they are the same one, or the service began anew."""
    partitions = _slots(now, "source", [metric for metric in m.METRICS if metric.labels[:1] == ("partition",)])
    workers = _slots(now, "sink", [m.SINK_COMMANDS, m.SINK_IN_FLIGHT, m.SINK_LAG])
    limits = now.series.get(m.SINK_RATE_LIMIT.name, {}).values()
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for (role, slot, part), share in now.series.get(m.BOTTLENECK.name, {}).items():
        if now.value(m.PROCESS_UP, role, slot) != 0:
            shares.setdefault((role, slot), {})[part] = share
    return Status(
        tuple(_partition(now, before, partition) for partition in partitions),
        tuple(_worker(now, before, worker) for worker in workers),
        min(limits) if limits else None,
        shares,
        now.unready,
    )


def _partition(now: Look, before: Look, partition: str) -> PartitionRow:
    transports = [key[1] for key in now.series.get(m.SOURCE_TRANSPORT.name, {}) if key[0] == partition]
    return PartitionRow(
        partition,
        _up(now, "source", partition),
        _rate(now, before, m.SOURCE_EVENTS, partition),
        now.value(m.SOURCE_LAG_EVENTS, partition),
        _age(now, m.SOURCE_LAST_EVENT, partition),
        _age(now, m.SOURCE_CHECKPOINT, partition),
        now.value(m.SOURCE_REPLAY, partition),
        now.value(m.SOURCE_DATA_LOSS, partition),
        now.total(m.SOURCE_DEAD_LETTERS, partition),
        now.value(m.PROCESS_RESTARTS, "source", partition),
        transports[0] if transports else None,
    )


def _worker(now: Look, before: Look, worker: str) -> WorkerRow:
    return WorkerRow(
        worker,
        _up(now, "sink", worker),
        _rate(now, before, m.SINK_COMMANDS, worker, "sent"),
        now.value(m.SINK_IN_FLIGHT, worker),
        now.value(m.SINK_LAG, worker),
        now.value(m.SINK_THROTTLED, worker),
        now.total(m.SINK_DEAD_LETTERS, worker),
        now.value(m.PROCESS_RESTARTS, "sink", worker),
    )


def _slots(look: Look, role: str, metrics: Sequence[Metric]) -> list[str]:
    """Every slot of the role that any series names, in the order of the numbers."""
    named = {labels[0] for metric in metrics for labels in look.series.get(metric.name, {})}
    named |= {labels[1] for labels in look.series.get(m.PROCESS_UP.name, {}) if labels[0] == role}
    return sorted(named, key=lambda slot: (not slot.isdecimal(), int(slot) if slot.isdecimal() else 0, slot))


def _up(look: Look, role: str, slot: str) -> bool | None:
    value = look.value(m.PROCESS_UP, role, slot)
    return None if value is None else value > 0


def _age(look: Look, metric: Metric, *labels: str) -> float | None:
    moment = look.value(metric, *labels)
    return None if moment is None or not math.isfinite(moment) else max(0.0, look.unix - moment)


def _rate(now: Look, before: Look, metric: Metric, *labels: str) -> float | None:
    later, earlier, seconds = now.value(metric, *labels), before.value(metric, *labels), now.at - before.at
    if later is None or earlier is None or later < earlier or seconds <= 0:
        return None
    return (later - earlier) / seconds
