"""Whether an event costs more when there are more partitions, and what each process weighs while it works."""

import statistics
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bench.clocked import MemoryWatch, Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feeds
from bench.results import Conditions, Results, Run
from bench.source_process import Way, attached_source, mover_pids
from bench.traffic import PROFILES
from tests.services.kafka import KafkaCluster

EVENTS_PER_PARTITION = {"uniform": 200_000, "mixed_fleet": 100_000}
"""The same for each process, however many there are: the first events of a new one cost more than those after them."""
ROUNDS = {1: 3, 32: 5}
"""For the most partitions, and for one; else one round."""


@pytest.mark.parametrize(
    ("profile", "partitions"),
    [*(("uniform", partitions) for partitions in (1, 2, 4, 8, 16, 32)), ("mixed_fleet", 1), ("mixed_fleet", 32)],
)
def test_source_scaling(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feeds: Feeds,
    tmp_path: Path,
    profile: str,
    partitions: int,
) -> None:
    """All partition processes together: their CPU time over all events. Just before and just after, a process alone takes
    one partition of the same hub, as a shared machine drifts within a minute."""
    events = EVENTS_PER_PARTITION[profile]
    feed = feeds.get(partitions * events, partitions, profile=PROFILES[profile])
    rounds = ROUNDS.get(partitions, 1)
    runs: list[Run] = []
    ratios: list[float] = []
    memory: list[dict[str, float]] = []
    folders = count()

    def measure(some: int) -> tuple[Run, dict[str, float]]:
        told = f"{profile}, {some} of {partitions} partitions: round {len(runs) + 1} of {rounds}"
        with (
            Stage(told) as stage,
            Topic(kafka.bootstrap) as topic,
            attached_source(
                tmp_path / str(next(folders)), feed, kafka.bootstrap, topic.name, Way("fast", partitions=some)
            ) as process,
        ):
            movers = Movers(mover_pids(process, some))
            watch = MemoryWatch(movers)
            return clock(feed, topic, movers, stage, watch, some * events), watch.figures()

    def one_round() -> None:
        (before, _), (together, weighed), (after, _) = measure(1), measure(partitions), measure(1)
        alone = (before.cpu_us_per_event + after.cpu_us_per_event) / 2
        runs.append(together)
        memory.append(weighed)
        ratios.append(together.cpu_us_per_event / alone)

    benchmark.pedantic(one_round, rounds=rounds)
    results.add(
        benchmark,
        "source, more partitions",
        runs,
        Conditions(feed.measured_frame_bytes, partitions, "fast", "json", tls=True),
        {
            "times_one_partition": round(statistics.median(ratios), 2),
            "profile": profile,
            **{name: max(each[name] for each in memory) for name in memory[0]},
        },
    )
