"""What is looked at before commands are read."""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Literal

import pytest
from confluent_kafka.admin import AdminClient

from ingest.config import Config, Kafka, Secret
from ingest.errors import ConfigError, Refused, Unreachable
from ingest.kafka.admin import TopicMaker
from ingest.kafka.mock_cluster import MockCluster
from ingest.sink import preflight
from ingest.sink.preflight import check_topics
from ingest.source import preflight as source_readiness


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        yield made


def config_of(cluster: MockCluster, ack: Literal["none", "full"] = "none") -> Config:
    return replace(Config(), kafka=Kafka(bootstrap_servers=cluster.bootstrap), sink=replace(Config().sink, ack=ack))


@pytest.mark.parametrize(
    ("ack", "topics"),
    [("none", {"iotout", "iotout.dead"}), ("full", {"iotout", "iotout.dead", "iotfeedback"})],
)
def test_every_topic_of_the_sink_is_asked_for(
    cluster: MockCluster, ack: Literal["none", "full"], topics: set[str]
) -> None:
    check_topics(config_of(cluster, ack))
    made = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=30).topics
    assert set(made) == topics, "the mock cluster makes a topic that a producer asks for"


def test_a_cluster_that_does_not_answer_is_unreachable(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "ANSWER_SECONDS", 0.3)
    config = config_of(cluster)
    cluster.set_down(1)
    with pytest.raises(Unreachable, match="iotout"):
        check_topics(config)


def test_a_setting_that_librdkafka_does_not_know_is_a_mistake_in_the_configuration(cluster: MockCluster) -> None:
    config = replace(
        config_of(cluster), kafka=Kafka(bootstrap_servers=cluster.bootstrap, librdkafka={"no.such.key": "1"})
    )
    with pytest.raises(ConfigError, match=r"kafka\.librdkafka"):
        check_topics(config)


def test_a_topic_that_may_not_be_used_is_refused(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: object, topic: str, __: float) -> int:
        raise Refused(f"topic {topic!r} cannot be used")

    monkeypatch.setattr(TopicMaker, "describe", refuses)
    with pytest.raises(Refused, match="'iotout'"):
        check_topics(config_of(cluster))


LOGIN: dict[str, str | Secret] = {
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "u",
    "sasl.password": Secret("Hush-7"),
}


@pytest.mark.parametrize("look", [preflight, source_readiness], ids=["sink", "source"])
def test_a_rejected_login_is_a_refusal_that_names_what_to_correct(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch, look: ModuleType
) -> None:
    """The mock cluster takes no login at all; librdkafka raises "Broker transport failure" alone."""
    monkeypatch.setattr(look, "ANSWER_SECONDS", 1.0)
    config = replace(config_of(cluster), kafka=Kafka(bootstrap_servers=cluster.bootstrap, librdkafka=LOGIN))
    with pytest.raises(Refused, match=r"SASL.*correct sasl\.mechanism, sasl\.username") as refused:
        look.check_topics(config)
    assert "Hush-7" not in str(refused.value)
