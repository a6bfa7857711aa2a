"""Topics are made where they are missing, left alone where they exist, and every failure says why."""

import socket
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]  # missing from __all__

from ingest.errors import ConfigError, Mismatched, Refused, Unreachable
from ingest.kafka import admin
from ingest.kafka.admin import TopicResult, Topics, TopicSpec, create_topics, describe
from ingest.kafka.mock_cluster import MockCluster
from tests.services.kafka import KafkaCluster

QUIET = {"log_level": "0"}


def name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex}"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        yield cluster


@pytest.mark.services
class TestCreate:
    def test_created_and_then_left_alone(self, kafka: KafkaCluster) -> None:
        first, second = name("made"), name("made.dead")
        specs = [TopicSpec(first, 3, 1, {"retention.ms": "86400000"}), TopicSpec(second, 1, 1)]
        assert create_topics(kafka.bootstrap, QUIET, specs, 30) == [
            TopicResult(first, "created", 3),
            TopicResult(second, "created", 1),
        ]
        admin = _admin(kafka.bootstrap)
        # The answer to CreateTopics is the controller's; a broker knows a moment later.
        assert describe(admin, first, 30) == 3
        resource = ConfigResource(ResourceType.TOPIC, first)
        settings: Any = admin.describe_configs([resource])[resource].result(30)
        assert settings["retention.ms"].value == "86400000"

        third = name("made.later")
        wider = [TopicSpec(third, 2, 1), TopicSpec(first, 9, 1)]
        assert create_topics(kafka.bootstrap, QUIET, wider, 30) == [
            TopicResult(third, "created", 2),
            TopicResult(first, "exists", 3),
        ]

    def test_the_broker_default_of_replicas(self, kafka: KafkaCluster) -> None:
        topic = name("default")
        assert create_topics(kafka.bootstrap, QUIET, [TopicSpec(topic, 2)], 30) == [TopicResult(topic, "created", 2)]

    def test_nothing_is_asked_for_when_all_exist(self, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user who may not create topics can still be told that all is well."""
        topic = name("there")
        create_topics(kafka.bootstrap, QUIET, [TopicSpec(topic, 2, 1)], 30)
        assert describe(_admin(kafka.bootstrap), topic, 30) == 2
        monkeypatch.delattr(AdminClient, "create_topics")
        assert create_topics(kafka.bootstrap, QUIET, [TopicSpec(topic, 2, 1)], 30) == [TopicResult(topic, "exists", 2)]

    @pytest.mark.parametrize(
        ("spec", "why"),
        [
            (TopicSpec("x", 1, 3), "[Rr]eplica"),
            (TopicSpec("x", 1, 1, {"nonsense": "1"}), "nonsense"),
            (TopicSpec("not legal", 1, 1), "not legal"),
        ],
    )
    def test_what_the_cluster_refuses(self, kafka: KafkaCluster, spec: TopicSpec, why: str) -> None:
        with pytest.raises(Refused, match=rf"topic '{spec.name}' was not created: .*{why}"):
            create_topics(kafka.bootstrap, QUIET, [spec], 30)

    def test_one_made_by_somebody_else_meanwhile(self, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        topic = name("race")
        asked = AdminClient.create_topics

        def slower(self: AdminClient, new: Any, **keywords: Any) -> Any:
            asked(self, [NewTopic(topic, 5, 1)], **keywords)[topic].result(30)
            return asked(self, new, **keywords)

        monkeypatch.setattr(AdminClient, "create_topics", slower)
        results = create_topics(kafka.bootstrap, QUIET, [TopicSpec(topic, 2, 1)], 30)
        assert results == [TopicResult(topic, "exists", 5)]


class TestCreateWithoutKafka:
    def test_nobody_listens(self, closed_port: int) -> None:
        with pytest.raises(Unreachable, match=f"Kafka does not answer: .*127.0.0.1:{closed_port}.*Connection refused"):
            create_topics(f"127.0.0.1:{closed_port}", QUIET, [TopicSpec("t", 1)], 0.5)

    def test_an_unknown_host(self) -> None:
        with pytest.raises(Unreachable, match=r"Failed to resolve 'nosuch\.invalid:9092'"):
            create_topics("nosuch.invalid:9092", QUIET, [TopicSpec("t", 1)], 0.5)

    def test_an_unknown_setting(self) -> None:
        with pytest.raises(ConfigError, match=r'kafka\.librdkafka: No such configuration property: "nonsense"'):
            create_topics("127.0.0.1:1", {"nonsense": "1"}, [TopicSpec("t", 1)], 1)

    def test_a_rejected_login_is_the_reason_given(self, cluster: MockCluster) -> None:
        # The mock cluster knows no SASL mechanism and says so, as Kafka does to a mechanism that it has not enabled.
        login = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "u"}
        with pytest.raises(Refused, match="Kafka does not answer") as refused:
            create_topics(cluster.bootstrap, {**QUIET, **login, "sasl.password": "Hush-7"}, [TopicSpec("t", 1)], 1.5)
        assert "Hush-7" not in str(refused.value)


def test_listeners_for_other_clients_are_told_of_at_once(cluster: MockCluster) -> None:
    """librdkafka only says that a connection has ended, and waits on."""
    cluster.create_topic("t", 1)
    topics = Topics({**QUIET, "bootstrap.servers": cluster.bootstrap, "security.protocol": "ssl"})
    with pytest.raises(
        Mismatched, match=r"'t' cannot be looked up: .* does not speak TLS, and security\.protocol is ssl"
    ):
        topics.describe("t", 60)
    one_more = {"bootstrap.servers": f"127.0.0.1:1,{cluster.bootstrap}", "security.protocol": "ssl"}
    with pytest.raises(Unreachable, match="does not speak TLS"):
        Topics({**QUIET, **one_more}).describe("t", 60)


class TestDescribe:
    def test_how_many_partitions(self, cluster: MockCluster) -> None:
        cluster.create_topic("t", 7)
        for client in (Producer({"bootstrap.servers": cluster.bootstrap, **QUIET}), _admin(cluster.bootstrap)):
            assert describe(client, "t", 20) == 7

    @pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE])
    def test_one_that_appears_a_moment_later(self, code: int) -> None:
        client: Any = _SlowToMake(code, answers=3)
        assert describe(client, "t", 20) == 1
        assert client.asked == 4

    def test_nobody_listens(self, closed_port: int) -> None:
        client = _admin(f"127.0.0.1:{closed_port}")
        with pytest.raises(Unreachable, match="topic 't' cannot be looked up"):
            describe(client, "t", 0.2)

    def test_not_allowed(self, cluster: MockCluster) -> None:
        client = _admin(cluster.bootstrap)
        client.list_topics(timeout=20)
        cluster.push_errors(3, [29] * 4)
        with pytest.raises(Refused, match=r"topic 't' cannot be looked up: .*authorization failed"):
            describe(client, "t", 20)

    @pytest.mark.services
    def test_a_broker_that_makes_topics_on_first_use(self, kafka: KafkaCluster) -> None:
        topic = name("auto")
        assert describe(Producer({"bootstrap.servers": kafka.bootstrap, **QUIET}), topic, 30) == 4
        assert describe(Producer({"bootstrap.servers": kafka.bootstrap, **QUIET}), topic, 30) == 4

    @pytest.mark.services
    def test_a_name_that_the_broker_refuses(self, kafka: KafkaCluster) -> None:
        with pytest.raises(Refused, match="topic 'not legal' cannot be"):
            describe(_admin(kafka.bootstrap), "not legal", 20)


@pytest.mark.services
def test_a_topic_that_the_broker_does_not_make(kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer's metadata requests create nothing, which stands in for a broker with auto-creation switched off."""
    monkeypatch.setattr(admin, "_APPEAR_SECONDS", 0.3)
    client: Any = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": name("group"), **QUIET})
    try:
        with pytest.raises(Refused, match=r"does not exist: create it with `ingest topics create -c FILE`"):
            describe(client, name("missing"), 20)
    finally:
        client.close()


class _SlowToMake:
    """A client of a broker that makes topics on first use, and needs so many answers for it."""

    def __init__(self, code: int, answers: int) -> None:
        self.asked = 0
        self._error = KafkaError(code)
        self._answers = answers

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        self.asked += 1
        error = self._error if self.asked <= self._answers else None
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error, partitions=[] if error else [0])})

    def poll(self, timeout: float) -> int:
        return 0


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, **QUIET})
