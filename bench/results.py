"""One row of figures per benchmark, for people; the same figures are in pytest-benchmark's `extra_info`."""

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
    """User and system, all threads of the process that moves the events, over the same time."""

    @property
    def events_per_second(self) -> float:
        return self.events / self.wall_seconds

    @property
    def cpu_us_per_event(self) -> float:
        return self.cpu_seconds / self.events * 1e6


@dataclass(frozen=True)
class Conditions:
    frame_bytes: int
    """The whole AMQP transfer frame, mean."""
    partitions: int
    transport: str
    format: str
    tls: bool


class Results:
    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, benchmark: Any, name: str, runs: Sequence[Run], conditions: Conditions) -> None:
        """Medians of the runs of the source."""
        figures = {
            "cpu_us_per_event": round(statistics.median(run.cpu_us_per_event for run in runs), 1),
            "events_per_second": round(statistics.median(run.events_per_second for run in runs)),
            **asdict(conditions),
        }
        benchmark.extra_info.update(runs=[asdict(run) for run in runs])
        self.add_row(benchmark, name, {"runs": len(runs), "events": runs[0].events, **figures})

    def add_row(self, benchmark: Any, name: str, figures: Row) -> None:
        benchmark.extra_info.update(figures)
        self._rows.append({"benchmark": name, **figures})

    def show(self) -> None:
        """One table for each run of rows with the same columns."""
        for columns, rows in groupby(self._rows, key=tuple):
            cells = [columns, *([str(value) for value in row.values()] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            print()
            for row in cells:
                print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
