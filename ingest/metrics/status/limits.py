"""Says what limits throughput now. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ingest.metrics.status.rows import Status

CAUGHT_UP: Final = 0.5
"""A process that is idle for at least this share of its time has no limit."""
DOWN: Final = "it stands still: no process of it is up"
UNKNOWN: Final = "not known yet"

_TELEMETRY: Final = {
    "hub": "the hub: it holds more and sends it no faster, or the network between does not carry it",
    "decode": "this machine: the processes are busy with receiving and encoding",
    "kafka_queue": "Kafka: records wait for its acknowledgements",
    "blob": "the checkpoint store: processes wait for its answer",
    "c2d_limit": "the hub's limit",
}
_COMMANDS: Final = {
    "hub": "the hub: its answers are waited for",
    "decode": "this machine: the processes are busy",
    "kafka_queue": "Kafka: its answers are waited for",
    "blob": "the checkpoint store",
    "c2d_limit": "the hub's limit: sink.tier and sink.units, a throttle, or full queues of devices",
}


def limits(status: Status) -> str:
    """Returns one line: what telemetry and commands each mostly wait for."""
    said = []
    if status.partitions:
        down = all(row.up is False for row in status.partitions)
        telemetry = _said(_of(status, "source"), _TELEMETRY, "nothing: caught up")
        said.append(f"telemetry: {DOWN if down else telemetry}")
    if status.workers:
        down = all(row.up is False for row in status.workers)
        commands = _said(_of(status, "sink"), _COMMANDS, "nothing: no commands wait")
        commands = f"commands: {DOWN if down else commands}"
        if status.rate_limit_per_second is not None:
            commands += f" ({_rate(status.rate_limit_per_second)} allowed)"
        said.append(commands)
    return "; ".join(said) if said else "nothing runs yet"


def _of(status: Status, role: str) -> list[Mapping[str, float]]:
    return [shares for (owner, _), shares in status.shares.items() if owner == role]


def _said(processes: Iterable[Mapping[str, float]], words: Mapping[str, str], nothing: str) -> str:
    shares = list(processes)
    if not shares:
        return UNKNOWN
    busy = [each for each in shares if each.get("idle", 0.0) < CAUGHT_UP]
    if not busy:
        return nothing
    spent: Counter[str] = Counter()
    for each in busy:
        spent.update({part: share for part, share in each.items() if part in words})
    if not spent:
        return UNKNOWN
    part, seconds = spent.most_common(1)[0]
    where = "" if len(busy) == len(shares) else f", in {len(busy)} of {len(shares)} processes"
    return f"{words[part]} ({seconds / len(busy):.0%} of the time{where})"


def _rate(per_second: float) -> str:
    """As page.js writes a rate: three digits, and whole from a hundred on."""
    value, unit = (per_second, "s") if per_second >= 1 else (per_second * 60, "min")
    return f"{value:,.0f}/{unit}" if value >= 100 else f"{value:.3g}/{unit}"
