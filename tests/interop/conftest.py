"""A hub, a container for checkpoints and a topic for every chain of readers."""

from collections.abc import Iterator

import pytest

from ingest.emulator import Emulator
from tests.faults.telemetry import Topic
from tests.services.kafka import KafkaCluster


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2, consumer_groups=("$Default", "interop")) as emulator:
        yield emulator


@pytest.fixture
def topic(kafka: KafkaCluster) -> Iterator[Topic]:
    with Topic(kafka.bootstrap) as topic:
        yield topic
