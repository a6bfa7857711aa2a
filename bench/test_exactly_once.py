"""What exactly once costs beside at least once: CPU time and rate in turns, and how much later a reader of committed records gets
an event."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from bench.clocked import ASK_SECONDS, MOVED_SECONDS, TOPIC_PARTITIONS, MemoryWatch, Movers, Topic, clock
from bench.console import Stage
from bench.events import body_bytes
from bench.feed import Feed, Feeds
from bench.hub import HubProcess
from bench.in_turns import of_this_round
from bench.results import Results, Run, compared
from bench.source_process import Way, attached_source, mover_pids, source
from tests.faults.source_process import Sections
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

EVENTS: Final = 400_000
ROUNDS: Final = 16
"""Some percent are looked for, and a process's cost differs by as much from start to start; each way begins four."""
FRAME_BYTES: Final = 600
INTERVALS_MS: Final = (100, 500, 1_000)
RATE: Final = 1_000
WARM_UP_SECONDS, MEASURED_SECONDS = 5.0, 15.0
BESIDE: Final = "at_least_once"
PLACES: Final = {"cleanup.policy": "compact"}


def settings(interval_ms: int, places: Topic) -> Sections:
    """0: at least once."""
    if not interval_ms:
        return {}
    return {
        "source": {
            "delivery": "exactly_once",
            "commit_interval_ms": interval_ms,
            "position_topic": places.name,
        }
    }


class Position:
    """How far the one partition's committed position is: at the end all its events are committed."""

    def __init__(self, bootstrap: str, places: Topic) -> None:
        self.events = 0
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": places.name})
        self._consumer.assign([TopicPartition(places.name, 0, 0)])

    def look(self) -> int:
        for message in self._consumer.consume(100, 0.01):
            if message.error() is None:
                self.events = json.loads(message.value() or b"")["sequenceNumber"] + 1
        return self.events

    def close(self) -> None:
        self._consumer.close()


def clock_committed(feed: Feed, position: Position, movers: Movers, stage: Stage, memory: MemoryWatch) -> Run:
    """As `clock`, until the last event is committed: the ends of transactions have offsets, too."""
    cpu_before, hub_before = movers.cpu_seconds(), feed.cpu_seconds()
    started = time.perf_counter()
    feed.show()

    def moved() -> bool:
        stage.at(position.look(), feed.events)
        memory.look()
        return position.events >= feed.events

    wait_until(moved, lambda: f"{position.events} of {feed.events} events are committed", MOVED_SECONDS)
    seconds = time.perf_counter() - started
    return Run(feed.events, seconds, movers.cpu_seconds() - cpu_before, feed.cpu_seconds() - hub_before)


def test_exactly_once(benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path) -> None:
    """One partition process under its supervisor, 600 bytes, over TLS into Kafka; a row for each interval."""
    feed = feeds.get(EVENTS, frame_bytes=FRAME_BYTES)
    runs: dict[int, list[Run]] = {interval: [] for interval in (0, *INTERVALS_MS)}
    unique: dict[int, list[float]] = {interval: [] for interval in runs}

    def one_round() -> None:
        for interval, done in of_this_round(runs):
            name = f"every {interval} ms" if interval else BESIDE
            with (
                Stage(f"exactly once: {name}, round {len(done) + 1} of {ROUNDS}") as stage,
                Topic(kafka.bootstrap) as topic,
                Topic(kafka.bootstrap, PLACES, 1) as places,
                attached_source(
                    tmp_path / f"{interval}-{len(done)}",
                    feed,
                    kafka.bootstrap,
                    topic.name,
                    Way(None),
                    settings(interval, places),
                ) as process,
            ):
                movers = Movers(mover_pids(process, 1))
                memory = MemoryWatch(movers)
                if interval:
                    position = Position(kafka.bootstrap, places)
                    done.append(clock_committed(feed, position, movers, stage, memory))
                    position.close()
                else:
                    done.append(clock(feed, topic, movers, stage, memory))
                unique[interval].append(memory.figures()["uss_mib_max"])

    benchmark.pedantic(one_round, rounds=ROUNDS)
    for interval, done in runs.items():
        benchmark.extra_info.update({f"runs of {interval}": [asdict(run) for run in done]})
        figures = {**compared(done, runs[0]), "uss_mib_max": max(unique[interval])}
        results.add_row(benchmark, "exactly_once", {"commit_interval_ms": interval or None, **figures})


@contextmanager
def reader(bootstrap: str, topic: Topic) -> Iterator[Consumer]:
    """Of committed records, from the end on."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic.name,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.assign([TopicPartition(topic.name, partition, 0) for partition in range(TOPIC_PARTITIONS)])
    yield consumer
    consumer.close()


def test_exactly_once_latency(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """From the hub's enqueued time until a reader of committed records has the event, at a steady rate."""
    rows: dict[int, list[float]] = {}

    def measured(interval: int) -> list[float]:
        options = ("--partitions", "1", "--devices", "100", "--rate", str(RATE))
        with (
            HubProcess(*options, "--body-bytes", str(body_bytes(FRAME_BYTES))) as hub,
            Topic(kafka.bootstrap) as topic,
            Topic(kafka.bootstrap, PLACES, 1) as places,
            source(
                tmp_path / f"latency-{interval}",
                hub,
                kafka.bootstrap,
                topic.name,
                Way(None),
                settings(interval, places),
            ) as process,
            reader(kafka.bootstrap, topic) as consumer,
            Stage(f"latency of exactly once: {interval} ms") as stage,
        ):
            process.wait_ready()
            began = time.monotonic()
            delays: list[float] = []
            while (passed := time.monotonic() - began) < WARM_UP_SECONDS + MEASURED_SECONDS:
                stage.at(passed, WARM_UP_SECONDS + MEASURED_SECONDS)
                messages = consumer.consume(500, 0.02)
                now = time.time() * 1000
                if passed > WARM_UP_SECONDS:
                    delays += [now - each.timestamp()[1] for each in messages if each.error() is None]
            return delays

    def all_of_them() -> None:
        for interval in (0, *INTERVALS_MS):
            rows[interval] = measured(interval)

    benchmark.pedantic(all_of_them, rounds=1)
    for interval, delays in rows.items():
        assert len(delays) > RATE * MEASURED_SECONDS / 2, f"{interval} ms: {len(delays)} events in {ASK_SECONDS:g} s"
        percentiles = quantiles(delays, n=100, method="inclusive")
        figures = {
            "commit_interval_ms": interval or None,
            "events": len(delays),
            "events_per_second": RATE,
            "p50_ms": round(percentiles[49]),
            "p99_ms": round(percentiles[98]),
        }
        results.add_row(benchmark, "exactly_once_latency", figures)
