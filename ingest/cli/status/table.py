"""A status as tables: by rich on a terminal, in plain lines elsewhere, or as one JSON object. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from ingest.metrics.status.document import finite
from ingest.metrics.status.limits import limits
from ingest.metrics.status.rows import PartitionRow, Status, WorkerRow, natural

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
Nodes = Mapping[str, Status | str]
"""Node → its status, or why there is none."""
_Table = tuple[Sequence[str], list[list[str]], list[bool]]
"""Columns, the cells of each row, and whether the row is bad."""
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
    found: dict[str, Any] = finite(shown)
    return found


def as_lines(status: Status) -> list[str]:
    """Returns plain text with aligned columns."""
    return _plain(_tables({"": status}), _below(status))


def as_rich(status: Status) -> "Group":
    return _rich(_tables({"": status}), _below(status))


def nodes_as_json(nodes: Nodes) -> dict[str, Any]:
    """Returns the JSON object of several nodes: of each its status, or the `error` for which there is none."""
    return {
        "nodes": [
            {"node": node, **({"error": found} if isinstance(found, str) else as_json(found))}
            for node, found in nodes.items()
        ]
    }


def nodes_as_lines(nodes: Nodes) -> list[str]:
    """Returns plain text with aligned columns: one table for the partitions of all nodes, one for their sink processes."""
    return _plain(_tables(_answering(nodes)), _below_nodes(nodes))


def nodes_as_rich(nodes: Nodes) -> "Group":
    return _rich(_tables(_answering(nodes)), _below_nodes(nodes))


def _plain(tables: Sequence[_Table], below: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for columns, rows, _ in tables:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        lines += [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)
        ]
        lines.append("")
    return [*lines, *below]


def _rich(tables: Sequence[_Table], below: Sequence[str]) -> "Group":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Table | Text] = []
    for columns, rows, bad in tables:
        table = Table()
        for column in columns:
            table.add_column(column, justify="right")
        for row, is_bad in zip(rows, bad, strict=True):
            # Text, not markup: rich must not read text from the network as a style.
            table.add_row(*(Text(cell) for cell in row), style="red" if is_bad else None)
        shown.append(table)
    return Group(*shown, *(Text(line) for line in below))


def _tables(statuses: Mapping[str, Status]) -> list[_Table]:
    """The tables that have rows, with the node in front of each row unless it has no name."""
    parts: tuple[tuple[Sequence[str], list[tuple[str, str, list[str], bool]]], ...] = (
        (
            PARTITION_COLUMNS,
            [
                (row.partition, node, _partition(row), _is_bad(row))
                for node, status in statuses.items()
                for row in status.partitions
            ],
        ),
        (
            WORKER_COLUMNS,
            [
                (row.worker, node, _worker(row), _is_bad(row))
                for node, status in statuses.items()
                for row in status.workers
            ],
        ),
    )
    tables: list[_Table] = []
    for columns, found in parts:
        if found:
            found.sort(key=lambda row: (natural(row[0]), row[1]))
            named = any(node for _, node, _, _ in found)
            tables.append(
                (
                    ("node", *columns) if named else columns,
                    [[node, *cells] if named else cells for _, node, cells, _ in found],
                    [bad for *_, bad in found],
                )
            )
    return tables


def _answering(nodes: Nodes) -> dict[str, Status]:
    return {node: found for node, found in nodes.items() if not isinstance(found, str)}


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


def _below_nodes(nodes: Nodes) -> list[str]:
    lines: list[str] = []
    width = max(map(len, nodes), default=0)
    owners: dict[str, list[str]] = {}
    for node, found in nodes.items():
        below = [f"no answer   {found}"] if isinstance(found, str) else _below(found)
        lines += [f"{node.ljust(width)}  {line}" for line in below]
        for row in () if isinstance(found, str) else found.partitions:
            if row.up:
                owners.setdefault(row.partition, []).append(node)
    return [
        *lines,
        *(
            f"partition {partition} is read by {' and '.join(several)}: one of them has lost it, or does not know yet"
            for partition, several in sorted(owners.items(), key=lambda owned: natural(owned[0]))
            if len(several) > 1
        ),
    ]


def _is_bad(row: PartitionRow | WorkerRow) -> bool:
    if isinstance(row, PartitionRow) and row.seconds_until_data_loss is not None:
        return row.up is False or row.seconds_until_data_loss < SOON_SECONDS
    return row.up is False


def _state(up: bool | None) -> str:
    return "-" if up is None else "up" if up else "down"


def _number(value: float | None, *, digits: int = 0) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"
