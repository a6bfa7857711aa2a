"""The tables of docs/scale.md: what happens to several nodes, with each coordination, over several seeds."""

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bench.places import placed
from bench.scale.blobs import Blobs
from bench.scale.group import HEARTBEAT_SECONDS, Group
from bench.scale.manners import DOTNET, GO, INGEST, JAVA, JAVASCRIPT, JAVASCRIPT_GREEDY, PYTHON, Manner

PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"
SIZES: Final = ((32, 2), (32, 3), (32, 10), (1024, 10), (1024, 100))
"""Partitions and nodes."""
SEEDS: Final = range(1, 4)
MIXED_SEEDS: Final = range(1, 10)
STARTS_SECONDS: Final = 5.0
"""Within this time the nodes of a cold start begin."""
QUIET_SECONDS: Final = 120.0
"""Between two events."""
LONGEST_SECONDS: Final = 3600.0
PROCESS_SECONDS: Final = 0.053
"""From one partition process to the next at a start on two cores: 32 of them took 1.7 s (`test_startup_32`)."""
MIXED_PARTITIONS: Final = 32
MIXED: Final[dict[str, tuple[Manner, ...]]] = {
    "ingest, .NET": (INGEST, DOTNET),
    "ingest, Go": (INGEST, GO),
    "ingest, Java": (INGEST, JAVA),
    "ingest, JavaScript": (INGEST, JAVASCRIPT),
    "ingest, JavaScript greedy": (INGEST, JAVASCRIPT_GREEDY),
    "ingest, Python": (INGEST, PYTHON),
    "ingest, JavaScript, Python": (INGEST, JAVASCRIPT, PYTHON),
    "three of ingest, JavaScript, Python": (INGEST, INGEST, INGEST, JAVASCRIPT, PYTHON),
    "three of ingest, and one of each": (INGEST, INGEST, INGEST, DOTNET, GO, JAVA, JAVASCRIPT, PYTHON),
}
"""Readers that share a consumer group."""
SETTLING_SECONDS: Final = 1200.0
EVENTS: Final = ("cold start", "one joins", "one crashes", "one leaves")

Row = dict[str, tuple[float, int]]
"""Event → seconds, and partitions that were taken from living nodes."""


@cache
def blob_run(partitions: int, nodes: int, seed: int) -> tuple[Row, float]:
    """Returns the events, and the requests per node and hour in between."""
    world, starts, row = Blobs(partitions, seed), random.Random(-seed), {}

    def event(name: str, what: Callable[[], None], until: Callable[[], bool]) -> None:
        world.moves, begin = 0, world.now
        what()
        lasts = False
        while not lasts:  # claims that were under way when it first was so can undo it
            world.run(LONGEST_SECONDS, until)
            seconds = world.now - begin
            world.run(QUIET_SECONDS)
            lasts = until()
        row[name] = seconds, world.moves

    def all_join() -> None:
        for node in range(1, nodes + 1):
            world.join(node, starts.uniform(0, STARTS_SECONDS))

    event("cold start", all_join, world.balanced)
    world.requests, begin = 0, world.now
    world.run(5 * QUIET_SECONDS)
    hourly = world.requests / nodes * 3600 / (world.now - begin)
    event("one joins", lambda: world.join(nodes + 1), world.balanced)
    event("one crashes", lambda: world.crash(1), world.all_owned)
    event("one leaves", lambda: world.leave(2), world.all_owned)
    return row, hourly


def group_run(partitions: int, nodes: int, seed: int) -> tuple[Row, float]:
    """As `blob_run`."""
    world, row = Group(partitions, seed), {}

    def event(name: str, seconds: Callable[[], float]) -> None:
        world.moves = 0
        row[name] = seconds(), world.moves

    event("cold start", lambda: world.cold_start(nodes, STARTS_SECONDS))
    event("one joins", lambda: world.join(nodes + 1))
    event("one crashes", lambda: world.crash(1))
    event("one leaves", lambda: world.leave(2))
    return row, 3600 / HEARTBEAT_SECONDS


@cache
def mixed_run(makes: tuple[Manner, ...], seed: int) -> tuple[float, int, int, list[int]]:
    """Returns seconds until no partition is taken from a reader any more, how many are until then, how many in the hour after
    that, and what each reader has in the end."""
    world, starts = Blobs(MIXED_PARTITIONS, seed), random.Random(-seed)
    for reader, make in enumerate(makes, 1):
        world.join(reader, starts.uniform(0, STARTS_SECONDS), make)
    world.run(SETTLING_SECONDS)
    settled, moves, world.moves = world.moved_at, world.moves, 0
    world.run(3600)
    return settled, moves, world.moves, [len(world.owned[reader]) for reader in range(1, len(makes) + 1)]


def tables() -> dict[str, str]:
    """Returns the name of each place in the page, and what belongs there."""
    return {
        "python -m bench.scale": "\n".join((*_events_table(), "", *_cost_table())),
        "python -m bench.scale: several makes": "\n".join(_mixed_table()),
    }


def text() -> str:
    """Returns all tables."""
    return "\n\n".join(tables().values())


def in_page(page: str) -> str:
    """Returns the page with these tables in it. Raises ValueError if it has no place for one of them."""
    for name, table in tables().items():
        page = placed(page, name, table)
    return page


def _events_table() -> Iterator[str]:
    yield _head(
        "partitions",
        "nodes",
        "what happens",
        "`kafka`: s, median / worst",
        "partitions moved",
        "`blob`: s, median / worst",
        "moved",
    )
    for partitions, nodes in SIZES:
        groups = [group_run(partitions, nodes, seed)[0] for seed in SEEDS]
        blobs = [blob_run(partitions, nodes, seed)[0] for seed in SEEDS]
        for event in EVENTS:
            cells = (cell for runs in (groups, blobs) for cell in _cells([run[event] for run in runs]))
            yield f"| {partitions:,} | {nodes} | {event} | {' | '.join(cells)} |"


def _cells(results: Sequence[tuple[float, int]]) -> tuple[str, str]:
    seconds = [took for took, _ in results]
    moved = statistics.median(moves for _, moves in results)
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}", f"{moved:,.0f}"


def _cost_table() -> Iterator[str]:
    yield _head(
        "partitions",
        "nodes",
        "partitions of a node",
        "its processes start in, s",
        "requests per node and hour: `kafka`",
        "`blob`",
        "`blob`, all nodes",
    )
    for partitions, nodes in SIZES:
        share = -(-partitions // nodes)
        group, blob = group_run(partitions, nodes, 1)[1], blob_run(partitions, nodes, 1)[1]
        yield (
            f"| {partitions:,} | {nodes} | {share} | {share * PROCESS_SECONDS:.1f} | {group:,.0f} | {blob:,.0f} "
            f"| {blob * nodes:,.0f} |"
        )


def _mixed_table() -> Iterator[str]:
    yield _head(
        "readers of one consumer group",
        "settled after s, median / worst",
        "partitions moved until then, median",
        "moved in the hour after that, worst",
        "partitions of each then",
    )
    for readers, makes in MIXED.items():
        runs = [mixed_run(makes, seed) for seed in MIXED_SEEDS]
        settled = [seconds for seconds, _, _, _ in runs]
        moved = statistics.median(before for _, before, _, _ in runs)
        shares = [share for _, _, _, each in runs for share in each]
        yield (
            f"| {readers} | {statistics.median(settled):.0f} / {max(settled):.0f} | {moved:,.0f} "
            f"| {max(after for _, _, after, _ in runs)} | {min(shares)} to {max(shares)} |"
        )


def _head(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
