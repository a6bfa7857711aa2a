"""A status as tables: by rich on a terminal, in plain lines elsewhere, or as one JSON object. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from ingest.cli.status.bottleneck import limits
from ingest.cli.status.rows import PartitionRow, Status, WorkerRow

if TYPE_CHECKING:
    from rich.console import Group

SOON_SECONDS: Final = 4 * 3600.0
"""A data loss sooner than this is shown in red."""
PARTITION_COLUMNS: Final = (
    "partition",
    "state",
    "events/s",
    "lag",
    "data age",
    "checkpoint",
    "replay",
    "data loss in",
    "dead letters",
    "restarts",
    "transport",
)
WORKER_COLUMNS: Final = (
    "sink process",
    "state",
    "commands/s",
    "in flight",
    "lag",
    "throttled",
    "dead letters",
    "restarts",
)
_STEPS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def duration(seconds: float | None) -> str:
    """Returns `3.2 s`, `12 min`, `5 h`, `6 d`; `never` for +Inf, `-` if unknown."""
    if seconds is None or math.isnan(seconds):
        return "-"
    if math.isinf(seconds):
        return "never"
    # At least two of a unit: 90 min is more exact than 2 h.
    for length, unit in _STEPS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.1f} s"


def as_json(status: Status) -> dict[str, Any]:
    """Returns the JSON object. Unknown values, and an unexpected data loss, are None: JSON has no infinity."""
    shown = asdict(status)
    shown["bottleneck"] = [
        {"role": role, "slot": slot, **{part: round(share, 4) for part, share in shares.items()}}
        for (role, slot), shares in status.shares.items()
    ]
    del shown["shares"]
    shown["limited_by"] = limits(status)
    finite: dict[str, Any] = _finite(shown)
    return finite


def as_lines(status: Status) -> list[str]:
    """Returns plain text with aligned columns."""
    lines: list[str] = []
    for columns, rows in _tables(status):
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        lines += [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)
        ]
        lines.append("")
    return [*lines, *_below(status)]


def as_rich(status: Status) -> "Group":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Table | Text] = []
    problems = [[_is_bad(row) for row in rows] for rows in (status.partitions, status.workers) if rows]
    for (columns, rows), bad in zip(_tables(status), problems, strict=True):
        table = Table()
        for column in columns:
            table.add_column(column, justify="right")
        for row, is_bad in zip(rows, bad, strict=True):
            # Text, not markup: rich must not read text from the network as a style.
            table.add_row(*(Text(cell) for cell in row), style="red" if is_bad else None)
        shown.append(table)
    return Group(*shown, *(Text(line) for line in _below(status)))


def _tables(status: Status) -> list[tuple[Sequence[str], list[list[str]]]]:
    tables: list[tuple[Sequence[str], list[list[str]]]] = []
    if status.partitions:
        tables.append((PARTITION_COLUMNS, [_partition(row) for row in status.partitions]))
    if status.workers:
        tables.append((WORKER_COLUMNS, [_worker(row) for row in status.workers]))
    return tables


def _partition(row: PartitionRow) -> list[str]:
    return [
        row.partition,
        _state(row.up),
        _number(row.events_per_second),
        _number(row.lag_events),
        duration(row.data_age_seconds),
        duration(row.checkpoint_age_seconds),
        _number(row.replay_events),
        duration(row.seconds_until_data_loss),
        _number(row.dead_letters),
        _number(row.restarts),
        row.transport or "-",
    ]


def _worker(row: WorkerRow) -> list[str]:
    return [
        row.worker,
        _state(row.up),
        _number(row.commands_per_second, digits=1),
        _number(row.in_flight),
        _number(row.lag_records),
        _number(row.throttled),
        _number(row.dead_letters),
        _number(row.restarts),
    ]


def _below(status: Status) -> list[str]:
    # Ten partitions without a broker report the same reason ten times.
    places: dict[str, list[str]] = {}
    for line in status.unready:
        place, _, reason = line.partition(": ")
        places.setdefault(reason, []).append(place)
    reasons = [f"{', '.join(where)}: {reason}" if reason else ", ".join(where) for reason, where in places.items()]
    return [f"limited by  {limits(status)}", *(f"not ready   {reason}" for reason in reasons)]


def _is_bad(row: PartitionRow | WorkerRow) -> bool:
    if isinstance(row, PartitionRow) and row.seconds_until_data_loss is not None:
        return row.up is False or row.seconds_until_data_loss < SOON_SECONDS
    return row.up is False


def _state(up: bool | None) -> str:
    return "-" if up is None else "up" if up else "down"


def _number(value: float | None, *, digits: int = 0) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case _:
            return value
