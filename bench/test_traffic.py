"""What an event costs in each profile of `bench.traffic`: CPU time of decoding and encoding alone, and of the whole process."""

import statistics
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from bench.clocked import MemoryWatch, Movers, Topic, clock
from bench.console import Stage
from bench.feed import Feeds
from bench.results import Results, Run
from bench.source_process import Way, attached_source, mover_pids
from bench.traffic import PROFILES, payloads
from ingest.source.hot_path import Name, decoder_in_use, decoder_of, encoder_of
from tests.faults.source_process import SourceProcess
from tests.services.kafka import KafkaCluster

EVENTS = 200_000
PART_EVENTS, BATCH, PARTS = 10_000, 1_500, 5
"""Of a part's messages each is decoded once: what is remembered of a message before is of no use to itself."""
ROUNDS = 3

profiles = pytest.mark.parametrize("profile", PROFILES)


@profiles
def test_decode_record(benchmark: Any, results: Results, profile: str) -> None:
    """Bytes of a message → key and value of its record, format `json`; the first part is for warming up."""
    parts = [payloads(PROFILES[profile], PART_EVENTS, seed) for seed in range(PARTS + 1)]
    decode_all, encode_all = decoder_of("json").decode_all, encoder_of("json", "0").encode_all
    seconds: list[float] = []

    def once() -> None:
        slices = [(message, 0, len(message)) for message in parts.pop()]
        began = time.thread_time()
        for at in range(0, len(slices), BATCH):
            encode_all(decode_all(slices[at : at + BATCH]))
        seconds.append(time.thread_time() - began)

    benchmark.pedantic(once, rounds=PARTS, warmup_rounds=1)
    cost = statistics.median(seconds[1:]) / PART_EVENTS * 1e6
    figures: dict[str, str | float] = {
        "profile": profile,
        "decoder": decoder_in_use("json", "fast"),
        "cpu_us_per_event": round(cost, 2),
    }
    results.add_row(benchmark, "decode_record", figures)


def decoder_of_process(process: SourceProcess) -> str:
    """What the process says that it decodes with."""
    [name] = [name for name in get_args(Name) if process.metric("source_decoder_info", decoder=name)]
    return str(name)


@profiles
def test_source_traffic(
    benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path, profile: str
) -> None:
    """One partition process under its supervisor, over TLS into Kafka: format `json`, idempotent, lz4."""
    feed = feeds.get(EVENTS, profile=PROFILES[profile])
    runs: list[Run] = []
    unique: list[float] = []
    decoders: set[str] = set()

    def once() -> None:
        with (
            Stage(f"{profile}: round {len(runs) + 1} of {ROUNDS}") as stage,
            Topic(kafka.bootstrap) as topic,
            attached_source(tmp_path / str(len(runs)), feed, kafka.bootstrap, topic.name, Way(None)) as process,
        ):
            movers = Movers(mover_pids(process, 1))
            memory = MemoryWatch(movers)
            decoders.add(decoder_of_process(process))
            runs.append(clock(feed, topic, movers, stage, memory))
            unique.append(memory.figures()["uss_mib_max"])

    benchmark.pedantic(once, rounds=ROUNDS)
    results.add_row(
        benchmark,
        "source_traffic",
        {
            "profile": profile,
            "decoder": " and ".join(decoders),
            "frame_bytes": feed.measured_frame_bytes,
            "cpu_us_per_event": round(statistics.median(run.cpu_us_per_event for run in runs), 2),
            "events_per_second": round(statistics.median(run.events_per_second for run in runs)),
            "uss_mib": max(unique),
        },
    )
