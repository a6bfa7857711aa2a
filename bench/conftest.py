"""What every benchmark shares: one Apache Kafka, and a table of results at the end."""

from collections.abc import Iterator

import pytest

from bench.results import Results
from tests.services.kafka import KafkaCluster


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker, shared; every run takes a topic of its own."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def results() -> Iterator[Results]:
    """Collects rows, and prints them when the last benchmark has run."""
    results = Results()
    yield results
    results.show()
