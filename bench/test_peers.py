"""CPU time per event of minimal programs on the stock clients of other languages and of ours, in turns at one hub."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.clocked import Movers, Topic, clock, warm_up
from bench.console import Stage
from bench.feed import Feed, Feeds
from bench.peers.programs import PEERS, attached_peer
from bench.peers.records import Written, first_records
from bench.results import Results, Run, compared
from bench.source_process import Way, attached_source, mover_pids
from bench.traffic import PROFILES
from tests.services.kafka import KafkaCluster

WARM_UP, EVENTS = 120_000, 200_000
"""Events before the clock starts, for everybody, and those behind it. What Java does before it has compiled itself costs it
double."""
ROUNDS = 3
COMPARED = 500
"""Records of each run that must say the same."""
OURS = "ingest"

Runs = Mapping[str, list[Run]]
"""Of each program one for every round."""
Measure = Callable[[str], Runs]


@pytest.fixture(scope="module")
def measure(kafka: KafkaCluster, feeds: Feeds, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """All programs on a profile, in turns; done once, when the first of its rows is asked for."""
    commands = {name: build() for name, build in PEERS.items()}
    measured: dict[str, Runs] = {}

    @contextmanager
    def attached(name: str, feed: Feed, topic: str) -> Iterator[int]:
        if name == OURS:
            folder: Path = tmp_path_factory.mktemp("ours")
            with attached_source(folder, feed, kafka.bootstrap, topic, Way(None)) as process:
                yield from mover_pids(process, 1)
        else:
            with attached_peer(name, commands[name], feed, kafka.bootstrap, topic) as pid:
                yield pid

    def run(name: str, feed: Feed, stage: Stage) -> tuple[Run, dict[int, Written]]:
        with Topic(kafka.bootstrap) as topic, attached(name, feed, topic.name) as pid:
            warm_up(feed, topic, WARM_UP, stage)
            return clock(feed, topic, Movers([pid]), stage), first_records(kafka.bootstrap, topic.name, COMPARED)

    def all_rounds(profile: str) -> Runs:
        if profile not in measured:
            feed = feeds.get(WARM_UP + EVENTS, profile=PROFILES[profile])
            runs: dict[str, list[Run]] = {name: [] for name in (OURS, *commands)}
            ours: dict[int, Written] = {}
            for number in range(1, ROUNDS + 1):
                for name in runs:
                    with Stage(f"{profile}: {name}, round {number} of {ROUNDS}") as stage:
                        timed, written = run(name, feed, stage)
                    runs[name].append(timed)
                    ours = ours or written
                    assert written == ours, f"{name} does not write the records that {OURS} writes"
            measured[profile] = runs
        return measured[profile]

    return all_rounds


@pytest.mark.parametrize("peer", [OURS, *PEERS])
@pytest.mark.parametrize("profile", ["uniform", "changing_properties", "mixed_fleet"])
def test_peers(benchmark: Any, results: Results, measure: Measure, profile: str, peer: str) -> None:
    """One partition over TLS into Kafka, records as of format `json`, idempotent, lz4; everybody warm."""
    runs = benchmark.pedantic(measure, (profile,), rounds=1)
    theirs, ours = runs[peer], runs[OURS]
    benchmark.extra_info.update(runs=[asdict(run) for run in theirs])
    results.add_row(benchmark, "peers", {"profile": profile, "peer": peer, **compared(theirs, ours)})
