"""Whether an event costs more when there are more partitions, and what each process weighs while it works."""

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
ROUNDS = {1: 5, 32: 3}
"""The two that are compared, one right after the other, as a shared machine drifts; one round for the others."""


@pytest.fixture(scope="module")
def alone() -> dict[str, float]:
    """CPU per event of one partition, by the profile, once that was measured."""
    return {}


@pytest.mark.parametrize(
    ("profile", "partitions"),
    [*(("uniform", partitions) for partitions in (1, 32, 16, 8, 4, 2)), ("mixed_fleet", 1), ("mixed_fleet", 32)],
)
def test_source_scaling(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feeds: Feeds,
    tmp_path: Path,
    alone: dict[str, float],
    profile: str,
    partitions: int,
) -> None:
    """All partition processes together: their CPU time over all events."""
    runs: list[Run] = []
    memory: list[dict[str, float]] = []
    rounds = ROUNDS.get(partitions, 1)
    feed = feeds.get(partitions * EVENTS_PER_PARTITION[profile], partitions, profile=PROFILES[profile])

    def measure() -> None:
        with (
            Stage(f"{profile}, {partitions} partitions: round {len(runs) + 1} of {rounds}") as stage,
            Topic(kafka.bootstrap) as topic,
            attached_source(tmp_path / str(len(runs)), feed, kafka.bootstrap, topic.name, Way("fast")) as process,
        ):
            movers = Movers(mover_pids(process, partitions))
            watch = MemoryWatch(movers)
            runs.append(clock(feed, topic, movers, stage, watch))
            memory.append(watch.figures())

    benchmark.pedantic(measure, rounds=rounds)
    cpu_us = sorted(run.cpu_us_per_event for run in runs)[rounds // 2]
    if partitions == 1:
        alone[profile] = cpu_us
    results.add(
        benchmark,
        "source, more partitions",
        runs,
        Conditions(feed.measured_frame_bytes, partitions, "fast", "json", tls=True),
        {
            "times_one_partition": round(cpu_us / alone[profile], 2) if profile in alone else None,
            "profile": profile,
            **{name: max(each[name] for each in memory) for name in memory[0]},
        },
    )
