"""What the status page costs the supervisor: one sample of the registry, and one answer to each open page."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.results import Results
from ingest.metrics.http_port import Asked
from ingest.metrics.status.history import SAMPLE_SECONDS
from tests.metrics.status.loaded_node import LoadedNode

ROUNDS = 20
PAGES = 10


@pytest.mark.parametrize("partitions", [32, 256])
def test_status_page(benchmark: Any, results: Results, partitions: int) -> None:
    """CPU of the calling thread: a sample and the document that is made of it, and an answer with that document."""
    node = LoadedNode(partitions, 2)
    node.exposition.close()  # the port's own thread takes no samples meanwhile
    recorder, asked = node.exposition._recorder, Asked("/status.json", "localhost")

    def sampled() -> None:
        recorder.sample()
        recorder.json()

    benchmark.pedantic(sampled, rounds=ROUNDS, warmup_rounds=1)
    sample = _cpu_seconds(sampled)
    answer = _cpu_seconds(lambda: node.exposition.reply(asked))
    results.add_row(
        benchmark,
        f"status page, {partitions} partitions",
        {
            "runs": ROUNDS,
            "partitions": partitions,
            "cpu_ms_per_sample": round(sample * 1e3, 2),
            "cpu_us_per_answer": round(answer * 1e6, 1),
            "document_bytes": len(recorder.json()[1]),
            f"share_of_a_core_with_{PAGES}_pages": round((sample + PAGES * answer) / SAMPLE_SECONDS, 5),
        },
    )
    node.close()


def _cpu_seconds(work: Callable[[], object]) -> float:
    """The least of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        found.append(time.thread_time() - began)
    return min(found)
