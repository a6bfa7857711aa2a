"""Seconds until 32 partitions are received, and what their processes weigh then."""

import statistics
import time
from pathlib import Path
from typing import Any

from bench.clocked import Movers, Topic
from bench.console import Stage
from bench.feed import Feeds
from bench.results import Results
from bench.source_process import Way, mover_pids, source
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

PARTITIONS = 32
EVENTS = 3_200


def test_startup_32(benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path) -> None:
    """From the command on; over TLS."""
    seconds: list[float] = []
    unique: list[float] = []
    feed = feeds.get(EVENTS, PARTITIONS)

    def measure() -> None:
        started = time.perf_counter()
        with source(tmp_path, feed, kafka.bootstrap, topic.name, Way(transport=None)) as process:
            wait_until(lambda: process.said("Metrics are served"), "it does not start")
            process.wait_ready()
            seconds.append(time.perf_counter() - started)
            unique.extend(Movers(mover_pids(process, PARTITIONS)).unique_mib())

    with Stage(f"{PARTITIONS} partitions start"), Topic(kafka.bootstrap) as topic:
        benchmark.pedantic(measure, rounds=1)
    results.add_row(
        benchmark,
        "start-up",
        {
            "partitions": PARTITIONS,
            "seconds_until_all_receive": round(seconds[0], 1),
            "uss_mib_median": round(statistics.median(unique), 1),
            "uss_mib_max": round(max(unique), 1),
        },
    )
