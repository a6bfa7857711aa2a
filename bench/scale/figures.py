"""The tables of docs/scale.md: what happens to several nodes, with each coordination, over several seeds."""

import random
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bench.scale.blobs import Blobs
from bench.scale.group import HEARTBEAT_SECONDS, Group

PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"
SIZES: Final = ((32, 2), (32, 3), (32, 10), (1024, 10), (1024, 100))
"""Partitions and nodes."""
SEEDS: Final = range(1, 4)
STARTS_SECONDS: Final = 5.0
"""Within this time the nodes of a cold start begin."""
QUIET_SECONDS: Final = 120.0
"""Between two events."""
LONGEST_SECONDS: Final = 3600.0
PROCESS_SECONDS: Final = 0.053
"""From one partition process to the next at a start on two cores (bench/README.md: 32 of them in 1.7 s)."""
EVENTS: Final = ("cold start", "one joins", "one crashes", "one leaves")
_BLOCK: Final = re.compile(r"(<!-- python -m bench\.scale -->\n).*(<!-- end -->)", re.DOTALL)

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


def text() -> str:
    """Returns both tables."""
    return "\n".join((*_events_table(), "", *_cost_table()))


def in_page(page: str) -> str:
    """Returns the page with these tables in it. Raises ValueError if it has no place for them."""
    if not _BLOCK.search(page):
        raise ValueError(f"{PAGE} has no lines <!-- python -m bench.scale --> and <!-- end -->")
    return _BLOCK.sub(lambda match: f"{match[1]}{text()}\n{match[2]}", page)


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


def _head(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
