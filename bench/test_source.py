"""What the source costs: CPU time per event and events per second, by transport, size of frames, TLS and format."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.clocked import Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feed, Feeds
from bench.results import Conditions, Results, Run
from bench.source_process import Way, attached_sample, attached_source, mover_pids
from tests.services.kafka import KafkaCluster

COMPARED = {(600, True, "json"), (600, True, "json.dumps")}
"""The rows that are read first, by size, TLS and format: each has `ROUNDS` rounds, others have one."""
ROUNDS = 3
SLOW_EVENTS = 100_000
FAST_EVENTS = {200: 500_000, 600: 500_000, 4096: 200_000}

# Sizes come last, which is the outermost loop: a hub is kept for the next benchmark of the same size.
formats = pytest.mark.parametrize("record_format", ["json", "raw"])
wires = pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
sizes = pytest.mark.parametrize("frame_bytes", [600, 200, 4096])

Attached = Callable[[int, str], AbstractContextManager[Movers]]
"""(round, topic) → the processes that wait for the hub to show its backlog."""


@wires
@sizes
def test_source_sdk_sample(
    benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, frame_bytes: int, tls: bool
) -> None:
    """The loop of Microsoft's documentation, for comparison."""
    feed = feeds.get(SLOW_EVENTS, frame_bytes=frame_bytes)

    @contextmanager
    def attached(_: int, topic: str) -> Iterator[Movers]:
        with attached_sample(feed, kafka.bootstrap, topic, tls=tls) as pid:
            yield Movers([pid])

    conditions = Conditions(frame_bytes, 1, "sdk_sample", "json.dumps", tls)
    measure(benchmark, results, kafka, feed, conditions, attached)


@formats
@wires
@sizes
def test_source_sdk(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feeds: Feeds,
    tmp_path: Path,
    frame_bytes: int,
    tls: bool,
    record_format: str,
) -> None:
    """The whole partition process under the real supervisor, receiving through the client's own loop."""
    feed = feeds.get(SLOW_EVENTS, frame_bytes=frame_bytes)
    conditions = Conditions(frame_bytes, 1, "sdk", record_format, tls)
    measure(benchmark, results, kafka, feed, conditions, ours(kafka, feed, tmp_path, conditions))


@formats
@wires
@sizes
def test_source_fast(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feeds: Feeds,
    tmp_path: Path,
    frame_bytes: int,
    tls: bool,
    record_format: str,
) -> None:
    """The same through the inner loop of our own."""
    feed = feeds.get(FAST_EVENTS[frame_bytes], frame_bytes=frame_bytes)
    conditions = Conditions(frame_bytes, 1, "fast", record_format, tls)
    measure(benchmark, results, kafka, feed, conditions, ours(kafka, feed, tmp_path, conditions))


def ours(kafka: KafkaCluster, feed: Feed, folder: Path, conditions: Conditions) -> Attached:
    @contextmanager
    def attached(number: int, topic: str) -> Iterator[Movers]:
        way = Way(conditions.transport, conditions.tls, conditions.format)
        with attached_source(folder / str(number), feed, kafka.bootstrap, topic, way) as process:
            yield Movers(mover_pids(process, 1))

    return attached


def measure(
    benchmark: Any, results: Results, kafka: KafkaCluster, feed: Feed, conditions: Conditions, attached: Attached
) -> None:
    """A new process and a new topic for each round; adds the row."""
    runs: list[Run] = []
    rounds = ROUNDS if (conditions.frame_bytes, conditions.tls, conditions.format) in COMPARED else 1
    wire = "TLS" if conditions.tls else "plain"
    name = f"{conditions.transport}, {conditions.frame_bytes} bytes, {wire}, {conditions.format}"

    def once() -> None:
        with (
            Stage(f"{name}: round {len(runs) + 1} of {rounds}") as stage,
            Topic(kafka.bootstrap) as topic,
            attached(len(runs), topic.name) as movers,
        ):
            runs.append(clock(feed, topic, movers, stage))

    benchmark.pedantic(once, rounds=rounds)
    results.add(benchmark, "source", runs, conditions, {"frame_bytes_measured": feed.measured_frame_bytes})
