"""One partition process in several ways, one after the other in each round, so that the machine's moods meet them all. Another
way begins each round."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.clocked import Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feed
from bench.results import Results, Run, compared
from bench.source_process import Way, attached_source, mover_pids
from tests.faults.source_process import Sections
from tests.services.kafka import KafkaCluster

ROUNDS: Final = 3
_Way = TypeVar("_Way")


def of_this_round(runs: Mapping[_Way, list[Run]]) -> Collection[tuple[_Way, list[Run]]]:
    """The ways, each with its runs of earlier rounds, in the order of this one."""
    turns = deque(runs.items())
    turns.rotate(-len(turns[0][1]))
    return turns


def in_turns(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feed: Feed,
    folder: Path,
    row: str,
    label: str,
    ways: Mapping[str, tuple[Way, Sections]],
    **conditions: str,
) -> None:
    """Adds a `row` for each of `ways`, with its name under `label` and the `conditions`, compared with the first one."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    told = ", ".join(conditions.values())

    def one_round() -> None:
        for name, done in of_this_round(runs):
            way, sections = ways[name]
            with (
                Stage(f"{told}: {name}, round {len(done) + 1} of {ROUNDS}") as stage,
                Topic(kafka.bootstrap) as topic,
                attached_source(
                    folder / f"{name}-{len(done)}", feed, kafka.bootstrap, topic.name, way, sections
                ) as process,
            ):
                done.append(clock(feed, topic, Movers(mover_pids(process, 1)), stage))

    benchmark.pedantic(one_round, rounds=ROUNDS)
    beside = next(iter(runs.values()))
    for name, done in runs.items():
        benchmark.extra_info.update({f"runs of {name}": [asdict(run) for run in done]})
        results.add_row(benchmark, row, {**conditions, label: name, **compared(done, beside)})
