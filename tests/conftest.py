"""Fixtures for every test folder: the real services, started when a test first asks, once per run."""

from collections.abc import Iterator

import pytest

from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker that creates topics by itself. Shared: use topic names of your own, and never kill it."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def blob() -> Iterator[Azurite]:
    """One Azurite. Shared: use containers of your own, and never kill it."""
    with Azurite() as store:
        yield store
