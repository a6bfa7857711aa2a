"""What an event costs, and how long it is on its way from the hub to Kafka, at steady rates that leave the source time."""

from pathlib import Path
from typing import Any

import pytest

from bench.results import Results
from bench.steady import Load, steady
from tests.services.kafka import KafkaCluster


def test_source_latency(benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path) -> None:
    """One partition, 10,000 events/s."""
    results.add_row(benchmark, "latency", steady(benchmark, kafka, tmp_path, Load(10_000, 1, 10.0, 30.0)))


@pytest.mark.parametrize(
    ("rate", "partitions"), [(100, 1), (300, 1), (1_000, 1), (3_000, 1), (30_000, 1), (4_000, 8), (16_000, 32)]
)
def test_source_rates(
    benchmark: Any, results: Results, kafka: KafkaCluster, tmp_path: Path, rate: int, partitions: int
) -> None:
    """`share_of_a_core` is what all partition processes take together."""
    figures = steady(benchmark, kafka, tmp_path, Load(rate, partitions, 5.0, 15.0))
    share = rate * figures["cpu_us_per_event"] / 1e6
    results.add_row(benchmark, "rates", {**figures, "share_of_a_core": round(share, 3)})
