"""CPU time per event of each record format beside `json`: the same source, events and machine, in turns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bench.feed import Feeds
from bench.in_turns import in_turns
from bench.results import Results
from bench.source_process import Way
from bench.traffic import PROFILES
from ingest.source.formats import FORMATS
from tests.faults.source_process import Sections
from tests.services.kafka import KafkaCluster
from tests.services.registry import SchemaRegistry

EVENTS: Final = 200_000
BESIDE: Final = "json"


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
    where: Sections = {"kafka.schema_registry": {"url": registry.url}}
    names = (BESIDE, *(name for name in FORMATS if name != BESIDE))
    ways = {name: (Way(None, format=name), where) for name in names}
    in_turns(benchmark, results, kafka, feed, tmp_path, "source_formats", "format", ways, profile=profile)
