"""The display of a running demo: a live table on a terminal, else a line now and then. All on stderr."""

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.demo.figures import Figures

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

RATE_SECONDS = 5.0
LINE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The figures at one moment."""

    seconds: float
    """Since the devices' start."""
    sent: int
    arrived: int
    duplicated: int
    commands_sent: int
    commands_arrived: int
    commands_repeated: int
    figures: Figures


class View(Protocol):
    def say(self, sentence: str) -> None: ...

    def show(self, moment: Moment) -> None: ...

    def close(self) -> None: ...


def open_view() -> View:
    return LiveTable() if sys.stdout.isatty() and sys.stderr.isatty() else Lines()


class Lines:
    def __init__(self) -> None:
        self._due = LINE_SECONDS

    def say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def show(self, moment: Moment) -> None:
        if moment.seconds >= self._due:
            self._due = moment.seconds + LINE_SECONDS
            line = (
                f"{moment.seconds:5.0f} s  {moment.sent:,} sent, {moment.arrived:,} in Kafka, "
                f"{moment.duplicated:,} duplicated, {moment.arrived / moment.seconds:,.0f} events/s"
            )
            if moment.commands_sent:
                line += f"; {moment.commands_arrived:,} of {moment.commands_sent:,} commands at devices"
            self.say(line)

    def close(self) -> None:
        """There is nothing to clean up."""


class LiveTable:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False)
        self._past: deque[Moment] = deque()

    def say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False)

    def show(self, moment: Moment) -> None:
        self._past.append(moment)
        while len(self._past) > 2 and moment.seconds - self._past[1].seconds >= RATE_SECONDS:
            self._past.popleft()
        self._live.start()
        self._live.update(tables(moment, self._past[0], time.time()), refresh=True)

    def close(self) -> None:
        """Leaves the last table on the terminal."""
        self._live.stop()


def tables(now: Moment, before: Moment, unix_seconds: float) -> "Group":
    """Returns the telemetry, and below it commands if there are any; rates are those between the two moments."""
    from rich.console import Group

    shown = [_telemetry(now, before, unix_seconds)]
    if now.figures.workers:
        shown.append(_commands(now, before))
    return Group(*shown)


def _telemetry(now: Moment, before: Moment, unix_seconds: float) -> "Table":
    """Returns a table with a row per hub partition."""
    from rich.table import Table

    rate = _rate_over(now.seconds - before.seconds)
    shown = Table(
        title=f"{now.seconds:.0f} s: {now.sent:,} events sent, {now.arrived:,} counted in Kafka",
        caption=f"{now.duplicated:,} duplicated · {now.figures.dead_letters:,.0f} dead letters · "
        f"{now.figures.restarts:,.0f} restarts",
        show_footer=True,
    )
    columns = ["partition", "received", "acknowledged", "events/s", "lag", "checkpoint age"]
    partitions = now.figures.partitions
    footers = [
        "total",
        f"{sum(one.received for one in partitions.values()):,.0f}",
        f"{sum(one.acked for one in partitions.values()):,.0f}",
        rate(now.arrived, before.arrived),
        f"{sum(one.lag or 0 for one in partitions.values()):,.0f}",
        "",
    ]
    for column, footer in zip(columns, footers, strict=True):
        shown.add_column(column, footer, justify="right")
    for partition, one in partitions.items():
        earlier = before.figures.partitions.get(partition)
        shown.add_row(
            partition,
            f"{one.received:,.0f}",
            f"{one.acked:,.0f}",
            rate(one.acked, earlier.acked if earlier else 0.0),
            "-" if one.lag is None else f"{one.lag:,.0f}",
            "-" if one.checkpoint_at is None else f"{max(0.0, unix_seconds - one.checkpoint_at):.1f} s",
        )
    return shown


def _commands(now: Moment, before: Moment) -> "Table":
    """Returns a table with a row per sink process."""
    from rich.table import Table

    rate = _rate_over(now.seconds - before.seconds)
    shown = Table(
        title=f"{now.commands_sent:,} commands sent, {now.commands_arrived:,} counted at devices",
        caption=f"{now.commands_repeated:,} repeated",
        show_footer=True,
    )
    workers = now.figures.workers
    columns = ["sink process", "sent", "commands/s", "in flight", "lag", "throttled", "sent again"]
    footers = [
        "total",
        f"{sum(one.sent for one in workers.values()):,.0f}",
        rate(now.commands_arrived, before.commands_arrived),
        f"{sum(one.in_flight for one in workers.values()):,.0f}",
        f"{sum(one.lag for one in workers.values()):,.0f}",
        f"{sum(one.throttled for one in workers.values()):,.0f}",
        f"{sum(one.again for one in workers.values()):,.0f}",
    ]
    for column, footer in zip(columns, footers, strict=True):
        shown.add_column(column, footer, justify="right")
    for worker, one in workers.items():
        earlier = before.figures.workers.get(worker)
        shown.add_row(
            worker,
            f"{one.sent:,.0f}",
            rate(one.sent, earlier.sent if earlier else 0.0),
            f"{one.in_flight:,.0f}",
            f"{one.lag:,.0f}",
            f"{one.throttled:,.0f}",
            f"{one.again:,.0f}",
        )
    return shown


def _rate_over(seconds: float) -> Callable[[float, float], str]:
    def rate(later: float, earlier: float) -> str:
        return f"{(later - earlier) / seconds:,.0f}" if seconds > 0 else "-"

    return rate
