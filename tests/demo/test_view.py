"""The live table and the lines, from figures as the metrics page tells them."""

import pytest
from rich.console import Console

from ingest.demo.figures import Figures, PartitionFigures, WorkerFigures, read_figures
from ingest.demo.view import Lines, Moment, tables
from ingest.metrics import catalogue as m
from ingest.metrics.http import Exposition
from ingest.metrics.registry import Registry


def metrics_page() -> str:
    registry = Registry()
    for partition, received in (("10", 7), ("2", 1200)):
        registry.add(m.SOURCE_EVENTS, received, partition)
        registry.add(m.SOURCE_ACKED, received - 5, partition)
    registry.set(m.SOURCE_LAG_EVENTS, 30, "2")
    registry.set(m.SOURCE_CHECKPOINT, 1_000.5, "2")
    registry.add(m.PROCESS_RESTARTS, 1, "source", "2")
    registry.add(m.PROCESS_RESTARTS, 2, "source", "10")
    registry.add(m.SOURCE_DEAD_LETTERS, 4, "2", "too_large")
    registry.add(m.SINK_COMMANDS, 300, "1", "sent")
    registry.add(m.SINK_COMMANDS, 1, "1", "retried")
    registry.add(m.SINK_COMMANDS, 2, "1", "possible_repeat")
    registry.add(m.SINK_COMMANDS, 6, "1", "tombstone")
    registry.add(m.SINK_COMMANDS, 1100, "0", "sent")
    registry.add(m.SINK_DEAD_LETTERS, 5, "0", "malformed")
    registry.add(m.SINK_THROTTLED, 8, "0")
    registry.set(m.SINK_IN_FLIGHT, 9, "1")
    registry.set(m.SINK_LAG, 70, "1")
    exposition = Exposition(registry, healthy=lambda: True, unready=lambda: [], host="127.0.0.1", port=0)
    return exposition.answer("/metrics")[2].decode()


def test_figures_are_read_from_the_real_metrics_page() -> None:
    assert read_figures(metrics_page()) == Figures(
        {"2": PartitionFigures(1200, 1195, 30, 1000.5), "10": PartitionFigures(7, 2)},
        {"0": WorkerFigures(sent=1100, throttled=8), "1": WorkerFigures(sent=300, again=3, in_flight=9, lag=70)},
        restarts=3,
        dead_letters=9,
    )
    assert list(read_figures(metrics_page()).partitions) == ["2", "10"]


def shown(now: Moment, before: Moment) -> tuple[list[str], list[list[str]]]:
    """All lines, and the cells of the rows."""
    console = Console(width=100, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as captured:
        console.print(tables(now, before, unix_seconds=1_002.0))
    lines = captured.get().splitlines()
    return lines, [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_the_tables_show_a_row_per_process_and_rates_between_two_moments() -> None:
    earlier = Figures({"2": PartitionFigures(600, 595)}, {"1": WorkerFigures(sent=100)})
    before = Moment(10.0, 500, 400, 0, 100, 90, 0, earlier)
    now = Moment(12.0, 1300, 1200, 3, 1500, 1390, 2, read_figures(metrics_page()))
    lines, cells = shown(now, before)
    assert cells == [
        ["2", "1,200", "1,195", "300", "30", "1.5 s"],
        ["10", "7", "2", "1", "-", "-"],
        ["total", "1,207", "1,197", "400", "30", ""],
        ["0", "1,100", "550", "0", "0", "8", "0"],
        ["1", "300", "100", "9", "70", "0", "3"],
        ["total", "1,400", "650", "9", "70", "8", "3"],
    ]
    text = "\n".join(lines)
    assert "12 s: 1,300 events sent, 1,200 counted in Kafka" in lines[0]
    assert "3 duplicated · 9 dead letters · 3 restarts" in text
    assert "1,500 commands sent, 1,390 counted at devices" in text
    assert "2 repeated" in lines[-1]


def test_without_a_sink_there_is_one_table() -> None:
    now = Moment(12.0, 1300, 1200, 3, 0, 0, 0, Figures({"2": PartitionFigures(1200, 1195)}))
    lines, cells = shown(now, now)
    assert [row[0] for row in cells] == ["2", "total"]
    assert "command" not in "".join(lines)


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for seconds in (0.5, 1.9, 2.1, 2.6, 4.0, 4.2):
        lines.show(Moment(seconds, 1000, 500, 0, 0 if seconds < 4 else 20, 15, 0, Figures()))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "    2 s  1,000 sent, 500 in Kafka, 0 duplicated, 238 events/s",
        "    4 s  1,000 sent, 500 in Kafka, 0 duplicated, 119 events/s; 15 of 20 commands at devices",
    ]
