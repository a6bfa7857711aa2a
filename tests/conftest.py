"""Fixtures for every test folder: the real services, started when a test first asks, once per run."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

# Property tests have no time limit per example: the machine may be busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker that creates topics by itself. Shared: use topic names of your own, and never kill it."""
    with KafkaCluster(short_lived=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def blob() -> Iterator[Azurite]:
    """One Azurite. Shared: use containers of your own, and never kill it."""
    with Azurite() as store:
        yield store
