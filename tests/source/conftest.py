"""An emulated hub of one partition, readers of it, and a Kafka of librdkafka's."""

from collections.abc import Iterator

import pytest

from ingest.config import Config
from ingest.emulator import Emulator
from ingest.hub.position import Position, StartAt
from ingest.kafka.mock_cluster import MockCluster
from tests.source.readers import Reader, Reading


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(partitions=1) as made:
        yield made


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """One broker with the default topics, of one partition each."""
    with MockCluster() as made:
        for topic in ("iotin", "iotin.dead"):
            made.create_topic(topic, 1)
        yield made


@pytest.fixture
def reading() -> Iterator[Reading]:
    made: list[Reader] = []

    def start(config: Config, start: StartAt | None = None, last: Position | None = None) -> Reader:
        made.append(Reader(config, start, last))
        return made[-1]

    yield start
    for reader in made:
        reader.receiver.close()
