"""CPU time per event over WebSocket beside plain AMQP over TLS: the same source, events and machine, in turns."""

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
from tests.services.kafka import KafkaCluster

EVENTS: Final = 200_000
ROUNDS: Final = 3
BESIDE: Final = "amqp"
NETWORKS: Final = (BESIDE, "websocket")


@pytest.mark.parametrize("profile", ["uniform", "mixed_fleet"])
def test_source_networks(
    benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path, profile: str
) -> None:
    """One partition process under its supervisor, over TLS into Kafka; a row for each value of `hub.network`."""
    feed = feeds.get(EVENTS, profile=PROFILES[profile])
    runs: dict[str, list[Run]] = {network: [] for network in NETWORKS}

    def one_round() -> None:
        for network, done in runs.items():
            folder = tmp_path / f"{network}-{len(done)}"
            chosen = {"hub": {"network": network}}
            with (
                Stage(f"{profile}: {network}, round {len(done) + 1} of {ROUNDS}") as stage,
                Topic(kafka.bootstrap) as topic,
                attached_source(folder, feed, kafka.bootstrap, topic.name, Way(None), chosen) as process,
            ):
                done.append(clock(feed, topic, Movers(mover_pids(process, 1)), stage))

    benchmark.pedantic(one_round, rounds=ROUNDS)
    for network, done in runs.items():
        benchmark.extra_info.update({f"runs of {network}": [asdict(run) for run in done]})
        figures = compared(done, runs[BESIDE])
        results.add_row(benchmark, "source_networks", {"profile": profile, "network": network, **figures})
