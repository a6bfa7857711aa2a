"""What the source costs when Kafka's answers take their time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.clocked import MemoryWatch, Movers, Topic, clock
from bench.console import Stage
from bench.far_kafka import FarKafka
from bench.feed import Feeds
from bench.results import Conditions, Results, Run
from bench.source_process import Way, attached_source, mover_pids

EVENTS = 500_000
ROUNDS = 3


@pytest.fixture(scope="module")
def far_kafka() -> Iterator[FarKafka]:
    with FarKafka() as made:
        yield made


@pytest.mark.parametrize("topic_partitions", [4, 1])
@pytest.mark.parametrize("round_trip_ms", [0, 20])
def test_source_far_kafka(
    benchmark: Any,
    results: Results,
    far_kafka: FarKafka,
    feeds: Feeds,
    tmp_path: Path,
    round_trip_ms: int,
    topic_partitions: int,
) -> None:
    """As `test_source_fast` with TLS and JSON; the way to Kafka is longer, and one request for each of the topic's partitions
    is on it at a time."""
    runs: list[Run] = []
    memory: list[dict[str, float]] = []
    feed = feeds.get(EVENTS)
    far_kafka.round_trip_seconds = round_trip_ms / 1000

    def measure() -> None:
        with (
            Stage(
                f"Kafka {round_trip_ms} ms away, topic of {topic_partitions}: round {len(runs) + 1} of {ROUNDS}"
            ) as stage,
            Topic(far_kafka.bootstrap, partitions=topic_partitions) as topic,
            attached_source(tmp_path / str(len(runs)), feed, far_kafka.bootstrap, topic.name, Way("fast")) as process,
        ):
            movers = Movers(mover_pids(process, 1))
            watch = MemoryWatch(movers)
            runs.append(clock(feed, topic, movers, stage, watch))
            memory.append(watch.figures())

    benchmark.pedantic(measure, rounds=ROUNDS)
    results.add(
        benchmark,
        "source, Kafka far away",
        runs,
        Conditions(600, 1, "fast", "json", tls=True),
        {
            "kafka_round_trip_ms": round_trip_ms,
            "topic_partitions": topic_partitions,
            "uss_mib_max": max(each["uss_mib_max"] for each in memory),
        },
    )
