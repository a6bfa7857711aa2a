"""Rows of figures, for people; the same figures are in pytest-benchmark's `extra_info`, those of the last row also one by one."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

Row = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Run:
    """One backlog taken to its end."""

    events: int
    wall_seconds: float
    """From the moment that the hub shows the backlog until the last record is in Kafka."""
    cpu_seconds: float
    """User and system, all threads of the processes that move the events, over the same time."""
    hub_cpu_seconds: float = 0.0
    """The same of the hub."""

    @property
    def events_per_second(self) -> float:
        return self.events / self.wall_seconds

    @property
    def cpu_us_per_event(self) -> float:
        return self.cpu_seconds / self.events * 1e6

    @property
    def hub_cpu_us_per_event(self) -> float:
        return self.hub_cpu_seconds / self.events * 1e6


@dataclass(frozen=True)
class Conditions:
    frame_bytes: int
    """The whole AMQP transfer frame, mean, as asked for: 200, 600, 4096."""
    partitions: int
    transport: str
    format: str
    tls: bool


def compared(runs: Sequence[Run], others: Sequence[Run]) -> Row:
    """Medians, and the ratio of the CPU time to that of `others`: round by round, as a machine that others use drifts."""
    ratios = [one.cpu_us_per_event / other.cpu_us_per_event for one, other in zip(runs, others, strict=True)]
    return {
        "cpu_us_per_event": round(statistics.median(run.cpu_us_per_event for run in runs), 2),
        "ratio": round(statistics.median(ratios), 2),
        "events_per_second": round(statistics.median(run.events_per_second for run in runs)),
        "events": runs[0].events,
        "rounds": len(runs),
    }


class Results:
    """Rows in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(
        self, benchmark: Any, name: str, runs: Sequence[Run], conditions: Conditions, more: Row | None = None
    ) -> None:
        """Medians of the runs of the source."""
        benchmark.extra_info.update(runs=[asdict(run) for run in runs])
        figures = {
            "cpu_us_per_event": round(statistics.median(run.cpu_us_per_event for run in runs), 1),
            "events_per_second": round(statistics.median(run.events_per_second for run in runs)),
            **asdict(conditions),
            "hub_cpu_us_per_event": round(statistics.median(run.hub_cpu_us_per_event for run in runs), 2),
        }
        self.add_row(benchmark, name, {"runs": len(runs), "events": runs[0].events, **figures, **(more or {})})

    def add_row(self, benchmark: Any, name: str, figures: Row) -> None:
        """Prints the row at once, too: the table comes when all benchmarks have run."""
        benchmark.extra_info.update(figures)
        benchmark.extra_info.setdefault("rows", []).append(dict(figures))
        self._rows.append({"benchmark": name, **figures})
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in figures.items())}", flush=True)

    def table(self) -> str:
        """One table for each stretch of rows with the same columns; empty without rows."""
        return "\n".join(_table(columns, list(rows)) for columns, rows in groupby(self._rows, key=tuple))


def _table(columns: tuple[str, ...], rows: Sequence[Row]) -> str:
    cells = [columns, *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(lines) + "\n"
