"""CPU time per event of each record format beside `json`: the same source, events and machine, in turns."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pytest

from bench.clocked import Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feeds
from bench.results import Results, Run, compared
from bench.source_process import Way, attached_source, mover_pids
from bench.traffic import PROFILES
from ingest.source.formats import FORMATS
from tests.services.kafka import KafkaCluster
from tests.services.registry import SchemaRegistry

EVENTS: Final = 200_000
ROUNDS: Final = 3
BESIDE: Final = "json"

Runs = Mapping[str, list[Run]]
"""Of each format one for every round."""


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@pytest.mark.parametrize("profile", ["uniform", "mixed_fleet"])
def test_source_formats(
    benchmark: Any,
    results: Results,
    kafka: KafkaCluster,
    feeds: Feeds,
    registry: SchemaRegistry,
    tmp_path: Path,
    profile: str,
) -> None:
    """One partition process under its supervisor, over TLS into Kafka; a row for each format."""
    feed = feeds.get(EVENTS, profile=PROFILES[profile])
    runs: dict[str, list[Run]] = {name: [] for name in (BESIDE, *(name for name in FORMATS if name != BESIDE))}
    where = {"kafka.schema_registry": {"url": registry.url}}

    def one_round() -> None:
        for name, done in runs.items():
            folder = tmp_path / f"{name}-{len(done)}"
            with (
                Stage(f"{profile}: {name}, round {len(done) + 1} of {ROUNDS}") as stage,
                Topic(kafka.bootstrap) as topic,
                attached_source(folder, feed, kafka.bootstrap, topic.name, Way(None, format=name), where) as process,
            ):
                done.append(clock(feed, topic, Movers(mover_pids(process, 1)), stage))

    benchmark.pedantic(one_round, rounds=ROUNDS)
    for name, done in runs.items():
        benchmark.extra_info.update({f"runs of {name}": [asdict(run) for run in done]})
        figures = compared(done, runs[BESIDE])
        results.add_row(benchmark, "source_formats", {"profile": profile, "format": name, **figures})
