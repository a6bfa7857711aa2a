"""What `ingest status` and the status page show, computed from two looks at the metrics. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.metrics import catalogue as m
from ingest.metrics.catalogue import METRICS, Metric
from ingest.metrics.page import Page, read_page
from ingest.printable import printable

COUNTED: Final[Collection[Metric]] = (m.SOURCE_EVENTS, m.SINK_COMMANDS)
"""What rates are computed from: all that a status needs of the earlier look."""
NEEDED: Final[Collection[Metric]] = (
    *(each for each in METRICS if each.labels[:1] == ("partition",) and each.kind != "histogram"),
    m.SINK_COMMANDS,
    m.SINK_DEAD_LETTERS,
    m.SINK_IN_FLIGHT,
    m.SINK_LAG,
    m.SINK_RATE_LIMIT,
    m.SINK_THROTTLED,
    m.BOTTLENECK,
    m.PROCESS_RESTARTS,
    m.PROCESS_UP,
)
"""All that a status needs of the later one."""


@dataclass(frozen=True, slots=True)
class Look(Page):
    """The metrics page at one moment."""

    at: float
    """Seconds on a clock that never goes back."""
    unix: float
    """The same moment, Unix seconds."""
    unready: tuple[str, ...] = ()
    """Why the service is not ready; empty if it is ready."""


def read(text: str, *, at: float, unix: float, unready: Sequence[str] = ()) -> Look:
    """Reads `text` in the Prometheus text format. Raises ValueError."""
    return Look(read_page(text).series, at, unix, tuple(map(printable, unready)))


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """One partition process. None: unknown."""

    partition: str
    up: bool | None
    events_per_second: float | None
    lag_events: float | None
    data_age_seconds: float | None
    """Age of the last event received."""
    checkpoint_age_seconds: float | None
    replay_events: float | None
    seconds_until_data_loss: float | None
    """+Inf: not expected."""
    dead_letters: float | None
    restarts: float | None
    transport: str | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One sink process. None: unknown."""

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
    """(role, slot) of each running process → part → share of its time."""
    unready: tuple[str, ...] = ()


def status(now: Look, before: Look) -> Status:
    """Returns the status. Rates are between the two looks; unknown if both are the same, or the service restarted."""
    partitions = _slots(now, "source", [metric for metric in m.METRICS if metric.labels[:1] == ("partition",)])
    workers = _slots(now, "sink", [m.SINK_COMMANDS, m.SINK_IN_FLIGHT, m.SINK_LAG])
    limits = now.of(m.SINK_RATE_LIMIT).values()
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for (role, slot, part), share in now.of(m.BOTTLENECK).items():
        if now.value(m.PROCESS_UP, role, slot) != 0:
            shares.setdefault((role, slot), {})[part] = share
    transports = {key[0]: key[1] for key in now.of(m.SOURCE_TRANSPORT)}
    set_aside = now.sums(m.SOURCE_DEAD_LETTERS), now.sums(m.SINK_DEAD_LETTERS)
    return Status(
        tuple(
            _partition(now, before, partition, transports.get(partition), set_aside[0].get(partition))
            for partition in partitions
        ),
        tuple(_worker(now, before, worker, set_aside[1].get(worker)) for worker in workers),
        min(limits) if limits else None,
        shares,
        now.unready,
    )


def _partition(
    now: Look, before: Look, partition: str, transport: str | None, dead_letters: float | None
) -> PartitionRow:
    return PartitionRow(
        partition,
        _up(now, "source", partition),
        _rate(now, before, m.SOURCE_EVENTS, partition),
        now.value(m.SOURCE_LAG_EVENTS, partition),
        _age(now, m.SOURCE_LAST_EVENT, partition),
        _age(now, m.SOURCE_CHECKPOINT, partition),
        now.value(m.SOURCE_REPLAY, partition),
        now.value(m.SOURCE_DATA_LOSS, partition),
        dead_letters,
        now.value(m.PROCESS_RESTARTS, "source", partition),
        transport,
    )


def _worker(now: Look, before: Look, worker: str, dead_letters: float | None) -> WorkerRow:
    return WorkerRow(
        worker,
        _up(now, "sink", worker),
        _rate(now, before, m.SINK_COMMANDS, worker, "sent"),
        now.value(m.SINK_IN_FLIGHT, worker),
        now.value(m.SINK_LAG, worker),
        now.value(m.SINK_THROTTLED, worker),
        dead_letters,
        now.value(m.PROCESS_RESTARTS, "sink", worker),
    )


def _slots(look: Look, role: str, metrics: Sequence[Metric]) -> list[str]:
    """Returns every slot of the role that any series names, in numeric order."""
    named = {labels[0] for metric in metrics for labels in look.of(metric)}
    named |= {labels[1] for labels in look.of(m.PROCESS_UP) if labels[0] == role}
    return sorted(named, key=natural)


def natural(slot: str) -> tuple[bool, int, str]:
    """The key by which slots are sorted: numbers first, in their order."""
    return not slot.isdecimal(), int(slot) if slot.isdecimal() else 0, slot


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
