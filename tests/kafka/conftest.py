from collections.abc import Iterator

import pytest

from ingest.kafka.mock_cluster import MockCluster
from tests.kafka.mocked import PARTITIONS


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("t", PARTITIONS)
        yield made
