"""A Kafka that asks who may do what, and makes no topics by itself."""

from collections.abc import Iterator

import pytest

from tests.services.kafka import KafkaCluster


@pytest.fixture(scope="session")
def authorized() -> Iterator[KafkaCluster]:
    """Everybody may do everything with what no rule is about. Shared: use names of your own."""
    settings = {
        "auto.create.topics.enable": "false",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with KafkaCluster(settings=settings) as cluster:
        yield cluster
