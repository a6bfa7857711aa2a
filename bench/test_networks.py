"""CPU time per event over WebSocket beside plain AMQP over TLS: the same source, events and machine, in turns."""

from pathlib import Path
from typing import Any, Final

import pytest

from bench.feed import Feeds
from bench.in_turns import in_turns
from bench.results import Results
from bench.source_process import Way
from bench.traffic import PROFILES
from tests.services.kafka import KafkaCluster

EVENTS: Final = 200_000
NETWORKS: Final = ("amqp", "websocket")


@pytest.mark.parametrize("profile", ["uniform", "mixed_fleet"])
def test_source_networks(
    benchmark: Any, results: Results, kafka: KafkaCluster, feeds: Feeds, tmp_path: Path, profile: str
) -> None:
    """One partition process under its supervisor, over TLS into Kafka; a row for each value of `hub.network`."""
    feed = feeds.get(EVENTS, profile=PROFILES[profile])
    ways = {network: (Way(None), {"hub": {"network": network}}) for network in NETWORKS}
    in_turns(benchmark, results, kafka, feed, tmp_path, "source_networks", "network", ways, profile=profile)
