"""What checkpoints in blob storage cost: storage accounts bill each write."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bench.clocked import Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feeds
from bench.results import Conditions, Results, Run
from bench.source_process import Way, attached_source, mover_pids
from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy
from tests.services.kafka import KafkaCluster

EVENTS = 1_000_000
WRITES = ("PUT", "POST")


class CountingProxy(FaultyProxy):
    """Counts the requests that write."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.writes = 0
        self._counting = threading.Lock()

    def meet(self, method: str) -> Any:
        with self._counting:
            self.writes += method in WRITES
        return super().meet(method)


@pytest.mark.parametrize("store", ["blob", "file"])
def test_checkpoint_cost(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    blob: Azurite,
    feeds: Feeds,
    tmp_path: Path,
    store: str,
) -> None:
    """A million events as fast as they come, default interval; the file store beside it for the CPU time."""
    feed = feeds.get(EVENTS)
    runs: list[Run] = []
    with CountingProxy(blob.address) as proxy:
        chosen = {
            "blob": {
                "store": "blob",
                "blob_connection_string": blob.connection_string_through(proxy.address),
                "container": f"bench-{time.time_ns()}",
            },
            "file": {"store": "file"},
        }[store]

        def measure() -> int:
            with (
                Stage(f"checkpoints in {store}") as stage,
                Topic(kafka.bootstrap) as topic,
                attached_source(
                    tmp_path, feed, kafka.bootstrap, topic.name, Way("fast"), {"checkpoints": chosen}
                ) as process,
            ):
                before = proxy.writes
                runs.append(clock(feed, topic, Movers(mover_pids(process, 1)), stage))
            # With the one on the graceful stop.
            return proxy.writes - before

        writes = benchmark.pedantic(measure, rounds=1)
    [run] = runs
    results.add(
        benchmark,
        f"checkpoints in {store}",
        runs,
        Conditions(600, 1, "fast", "json", tls=True),
        {
            "store": store,
            "blob_writes": writes,
            "seconds": round(run.wall_seconds, 1),
            "blob_writes_per_million_events": round(writes / EVENTS * 1e6, 1),
        },
    )
