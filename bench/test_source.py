"""What the source costs: CPU time per event, events per second, seconds to start and memory per process."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.clocked import Topic, clock
from bench.feed import Feed
from bench.results import Conditions, Results, Run
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.waiting import wait_until
from tests.services import ROOT
from tests.services.kafka import KafkaCluster

EVENTS = 100_000
ROUNDS = 3
FRAME_BYTES = 600
START_PARTITIONS = 32
MIB = 1 << 20


@contextmanager
def source(folder: Path, event_hub: str, bootstrap: str, topic: str) -> Iterator[SourceProcess]:
    """`ingest source`, started; ended by SIGTERM."""
    with SourceProcess(folder) as process:
        write_config(
            process.config,
            {
                "hub": {"event_hub_connection_string": event_hub},
                "source": {"topic": topic, "dead_letter_topic": "bench.dead", "format": "json", "transport": "sdk"},
                "checkpoints": {"store": "file", "path": str(folder / "checkpoints")},
                "kafka": {"bootstrap_servers": bootstrap},
                "metrics": {"port": 0},
                "service": {"log_format": "json"},
            },
        )
        process.config.chmod(0o600)
        process.start()
        yield process
        process.close()


@contextmanager
def sample(event_hub: str, bootstrap: str, topic: str) -> Iterator[psutil.Process]:
    """The documentation's loop, started."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.sample_client", event_hub, bootstrap, topic],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"receiving\n"
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def attached(feed: Feed) -> bool:
    return any(one["receivers"] for one in feed.stats()["partitions"].values())


def test_source_sdk(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """The whole partition process under the real supervisor."""
    runs: list[Run] = []
    with Feed(EVENTS) as feed:
        frame_bytes = feed.frame_bytes()

        def measure() -> None:
            feed.hide()
            folder = tmp_path / str(len(runs))
            folder.mkdir()
            with (
                Topic(kafka.bootstrap) as topic,
                source(folder, feed.event_hub, kafka.bootstrap, topic.name) as process,
            ):
                process.wait_ready()
                wait_until(lambda: attached(feed), "the source is not attached")
                [pid] = process.pids("0")
                runs.append(clock(feed, topic, psutil.Process(pid), EVENTS))

        benchmark.pedantic(measure, rounds=ROUNDS)
    assert abs(frame_bytes - FRAME_BYTES) <= 10
    results.add(benchmark, "source", runs, Conditions(frame_bytes, 1, "sdk", "json", tls=False))


def test_source_sdk_sample(benchmark: Any, results: Results, kafka: KafkaCluster) -> None:
    """The loop of Microsoft's documentation, for comparison."""
    runs: list[Run] = []
    with Feed(EVENTS) as feed:
        frame_bytes = feed.frame_bytes()

        def measure() -> None:
            feed.hide()
            with (
                Topic(kafka.bootstrap) as topic,
                sample(feed.event_hub, kafka.bootstrap, topic.name) as process,
            ):
                wait_until(lambda: attached(feed), "the sample is not attached")
                runs.append(clock(feed, topic, process, EVENTS))

        benchmark.pedantic(measure, rounds=ROUNDS)
    results.add(benchmark, "documented loop", runs, Conditions(frame_bytes, 1, "sdk", "json.dumps", tls=False))


def test_startup_32(benchmark: Any, kafka: KafkaCluster, tmp_path: Path) -> None:
    """Seconds from the command until 32 partitions are being received, and unique memory of their processes."""
    seconds: list[float] = []
    unique: list[float] = []
    with Feed(1_000, START_PARTITIONS) as feed, Topic(kafka.bootstrap) as topic:

        def measure() -> None:
            started = time.perf_counter()
            with source(tmp_path, feed.event_hub, kafka.bootstrap, topic.name) as process:
                wait_until(lambda: process.said("Metrics are served"), "it does not start")
                process.wait_ready()
                seconds.append(time.perf_counter() - started)
                pids = [process.pids(str(partition))[-1] for partition in range(START_PARTITIONS)]
                unique.extend(psutil.Process(pid).memory_full_info().uss / MIB for pid in pids)

        benchmark.pedantic(measure, rounds=1)
    figures = {
        "partitions": START_PARTITIONS,
        "seconds_until_all_receive": round(seconds[0], 1),
        "uss_mib_median": round(statistics.median(unique), 1),
        "uss_mib_max": round(max(unique), 1),
    }
    benchmark.extra_info.update(figures)
    print("\nstart-up: " + json.dumps(figures))
