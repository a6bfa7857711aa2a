"""The document at /status.json: what the node does now, and did in the last 15 minutes. Pure.

docs/status.md describes it for those who read it with a program.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import PARTS
from ingest.metrics.catalogue import METRICS
from ingest.metrics.status.history import History, short
from ingest.metrics.status.limits import limits
from ingest.metrics.status.rows import Look, Status
from ingest.recent_warnings import Warned

VERSION: Final = 1
"""Grows when a field goes away or changes its meaning; not with a new field."""
CLUSTER: Final = tuple(each for each in METRICS if each.name.startswith("cluster_") and each.kind != "histogram")


@dataclass(frozen=True, slots=True)
class About:
    """What the metrics do not tell of a node. Without secrets."""

    node: str = ""
    """The machine's name."""
    version: str = ""
    started: float = 0.0
    """Unix seconds."""
    stopping: bool = False
    source: Mapping[str, Any] | None = None
    """Where telemetry comes from and goes to; None if the node moves none."""
    sink: Mapping[str, Any] | None = None
    """The same for commands."""
    cluster: Mapping[str, Any] = field(default_factory=dict)
    """The other nodes; empty without any."""


def document(
    about: About,
    look: Look,
    shown: Status,
    history: History,
    warned: Sequence[Warned],
    *,
    healthy: bool,
    note: str | None,
) -> dict[str, Any]:
    """Returns the document. Unknown values are None; text is printable."""
    found: dict[str, Any] = finite(
        {
            "version": VERSION,
            "time": round(look.unix, 3),
            "node": about.node,
            "ingest": about.version,
            "started": round(about.started, 3),
            "state": _state(about, shown, healthy),
            "unready": shown.unready,
            "note": note,
            "limited_by": limits(shown),
            "source": about.source,
            "sink": about.sink,
            "partitions": rows(shown.partitions),
            "workers": rows(shown.workers),
            "rate_limit_per_second": shown.rate_limit_per_second,
            "bottleneck": _bottleneck(shown),
            "dead_letters": {
                "source": _counted(look.sums(m.SOURCE_DEAD_LETTERS, 1)),
                "sink": _counted(look.sums(m.SINK_DEAD_LETTERS, 1)),
            },
            "cluster": _cluster(about, look),
            "warnings": [one._asdict() for one in warned],
            "history": history.as_json(),
        }
    )
    return found


def _state(about: About, shown: Status, healthy: bool) -> str:
    if not healthy:
        return "stuck"
    if about.stopping:
        return "stopping"
    if shown.unready == ("starting",):
        return "starting"
    return "not_ready" if shown.unready else "ready"


def rows(shown: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns one object for each row, its numbers short."""
    return [
        {
            name: short(value, 6) if isinstance(value, float) and math.isfinite(value) else value
            for name, value in asdict(row).items()
        }
        for row in shown
    ]


def _bottleneck(shown: Status) -> dict[str, dict[str, float]]:
    """The mean over the processes of a role."""
    means: dict[str, dict[str, float]] = {}
    for role in sorted({role for role, _ in shown.shares}):
        shares = [each for (owner, _), each in shown.shares.items() if owner == role]
        means[role] = {part: round(sum(each.get(part, 0.0) for each in shares) / len(shares), 3) for part in PARTS}
    return means


def _counted(sums: Mapping[str, float]) -> dict[str, float]:
    return {reason: count for reason, count in sorted(sums.items()) if count}


def _cluster(about: About, look: Look) -> dict[str, Any] | None:
    told: dict[str, Any] = {}
    for metric in CLUSTER:
        for (group,), value in look.of(metric).items():
            told |= {"group": group, metric.name.removeprefix("cluster_"): value}
    return {**told, **about.cluster} if told or about.cluster else None


def finite(value: Any) -> Any:
    """Returns the value with None for what JSON cannot say: infinities and NaN."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(each) for key, each in value.items()}
        case list() | tuple():
            return [finite(each) for each in value]
        case _:
            return value
