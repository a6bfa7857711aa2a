"""Whether the tuned prefetch is as good as the best fixed one, whatever the length of the link."""

import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.clocked import Movers, Topic
from bench.console import Stage
from bench.feed import Feed, Feeds
from bench.results import Results
from bench.source_process import Way, mover_pids, source
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

EVENTS = 800_000
TUNED = 0
CREDITS = (100, 500, 2_000, TUNED, 5_000, 20_000)
FIXED = tuple(credit for credit in CREDITS if credit != TUNED)
ROUNDS = 2
WARM_UP_SECONDS = 1.5
MEASURED_SECONDS = 3.0
MOST_SECONDS = 120.0


class Pace(NamedTuple):
    events_per_second: float
    cpu_us_per_event: float


@pytest.mark.parametrize("round_trip_ms", [0, 10, 50])
def test_prefetch_sweep(
    benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path, round_trip_ms: int
) -> None:
    """Rates from a warm-up on; the settings in turn, several times, as the machine is not always equally busy."""
    feed = feeds.get(EVENTS)
    paces: defaultdict[int, list[Pace]] = defaultdict(list)

    def measure() -> None:
        for number in range(ROUNDS):
            # Back and forth: whoever is first meets a Kafka that has not warmed up.
            for credit in CREDITS if number % 2 == 0 else reversed(CREDITS):
                setting = credit or "tuned"
                with (
                    Stage(f"{round_trip_ms} ms, prefetch {setting}, round {number + 1} of {ROUNDS}"),
                    Topic(kafka.bootstrap) as topic,
                    source(
                        tmp_path / f"{credit}-{number}",
                        feed,
                        kafka.bootstrap,
                        topic.name,
                        Way("fast"),
                        {"source": {"prefetch": credit}},
                    ) as process,
                ):
                    process.wait_ready()
                    paces[credit].append(pace(feed, topic, Movers(mover_pids(process, 1))))

    feed.order("faults/delay", round_trip_seconds=round_trip_ms / 1000)
    benchmark.pedantic(measure, rounds=1)
    feed.show()
    rates = {credit: statistics.median(each.events_per_second for each in paces[credit]) for credit in CREDITS}
    best = max(FIXED, key=rates.__getitem__)
    results.add_row(
        benchmark,
        "prefetch",
        {
            "round_trip_ms": round_trip_ms,
            "cpu_us_per_event": round(statistics.median(each.cpu_us_per_event for each in paces[TUNED]), 1),
            "events_per_second": round(rates[TUNED]),
            "best_fixed": best,
            "tuned_over_best": round(rates[TUNED] / rates[best], 3),
            **{f"fixed_{credit}": round(rates[credit]) for credit in FIXED},
            "frame_bytes": 600,
            "partitions": 1,
            "transport": "fast",
            "format": "json",
            "tls": True,
        },
    )


def pace(feed: Feed, topic: Topic, movers: Movers) -> Pace:
    """Over some seconds from a warm-up on, or less when the backlog ends before."""
    wait_until(lambda: topic.records() > 0, "nothing arrives")
    _wait_records_or_time(feed, topic, WARM_UP_SECONDS)
    cpu, records, started = movers.cpu_seconds(), topic.records(), time.perf_counter()
    _wait_records_or_time(feed, topic, MEASURED_SECONDS)
    events, seconds = topic.records() - records, time.perf_counter() - started
    assert events > 0, "the backlog ended while the source warmed up"
    return Pace(events / seconds, (movers.cpu_seconds() - cpu) / events * 1e6)


def _wait_records_or_time(feed: Feed, topic: Topic, seconds: float) -> None:
    until = time.monotonic() + seconds
    wait_until(
        lambda: time.monotonic() >= until or topic.records() >= feed.events, "the clock stands still", MOST_SECONDS
    )
