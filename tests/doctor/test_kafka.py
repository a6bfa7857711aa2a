"""Topics, rights and limits, on a cluster that has an authorizer and makes no topics by itself."""

import socket
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, but missing from __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from ingest.config import Config, Hub, Kafka, Secret, Sink, Source
from ingest.doctor.check import Finding
from ingest.doctor.kafka import KafkaChecks
from ingest.doctor.kafka_judges import (
    judge_cluster,
    judge_group,
    judge_group_error,
    judge_size,
    judge_topic_error,
    judge_unreached,
)
from ingest.doctor.runner import run_checks
from ingest.kafka.mock_cluster import MockCluster
from ingest.kafka.topics_in_use import topics_in_use
from tests.config.samples import EVENT_HUB, IOT_HUB
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster


def look(config: Config) -> dict[str, Finding]:
    return {finding.check: finding for finding in run_checks(KafkaChecks(config).checks(), seconds=60)}


def configured(bootstrap: str, name: str = "iot", **librdkafka: str) -> Config:
    return Config(
        hub=Hub(Secret(EVENT_HUB), Secret(IOT_HUB)),
        source=Source(topic=f"{name}-in", dead_letter_topic=f"{name}-in.dead"),
        sink=Sink(topics=(f"{name}-out",), dead_letter_topic=f"{name}-out.dead", group_id=f"{name}-sink"),
        kafka=Kafka(bootstrap, librdkafka=librdkafka),
        path=Path("my.toml"),
    )


@pytest.mark.services
class TestCluster:
    @pytest.fixture
    def admin(self, authorized: KafkaCluster) -> AdminClient:
        return AdminClient({"bootstrap.servers": authorized.bootstrap, "log_level": 0})

    @pytest.fixture
    def config(self, authorized: KafkaCluster) -> Config:
        return configured(authorized.bootstrap, f"iot-{uuid.uuid4().hex}")

    def make(self, admin: AdminClient, config: Config, settings: Mapping[str, str] | None = None) -> None:
        """All topics of the configuration; `settings` for those of the source."""
        topics = [
            NewTopic(topic, 2, 1, config=dict(settings or {}) if "-in" in topic else {})
            for topic in topics_in_use(config)
        ]
        for made in admin.create_topics(topics, operation_timeout=30).values():
            made.result(30)
        # Made by the controller; the broker learns of it a moment later.
        wanted = topics_in_use(config).keys()
        wait_until(lambda: wanted <= admin.list_topics(timeout=30).topics.keys(), "the topics do not appear")

    def allow_only(self, admin: AdminClient, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """From the first rule about a name on, what no rule allows is refused."""
        binding = AclBinding(
            kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation, AclPermissionType.ALLOW
        )
        for made in admin.create_acls([binding]).values():
            made.result(30)

    def test_a_healthy_one(self, admin: AdminClient, config: Config) -> None:
        self.make(admin, config)
        findings = look(config)
        assert {finding.result for finding in findings.values()} == {"ok"}, findings
        assert findings[f"topic {config.source.topic}"].seen == "2 partitions, may write"
        assert findings[f"topic {config.sink.topics[0]}"].seen == "2 partitions, may read"
        assert "of 1 broker" in findings["Kafka"].seen
        assert (
            f"{config.sink.group_id} has no members" in findings["sink group"].seen
            or "is new" in findings["sink group"].seen
        )

    def test_a_missing_topic_is_not_made(self, admin: AdminClient, config: Config) -> None:
        findings = look(config)
        topic = findings[f"topic {config.source.topic}"]
        assert (topic.result, topic.seen, topic.fix) == (
            "fail",
            "does not exist",
            "ingest topics create -c my.toml",
        )
        assert findings[f"largest record of {config.source.topic}"].result == "skipped"
        assert config.source.topic not in admin.list_topics(timeout=30).topics

    def test_rights(self, admin: AdminClient, config: Config) -> None:
        self.make(admin, config)
        self.allow_only(admin, ResourceType.TOPIC, config.source.topic, AclOperation.READ)
        self.allow_only(admin, ResourceType.TOPIC, config.sink.topics[0], AclOperation.WRITE)
        self.allow_only(admin, ResourceType.TOPIC, config.sink.dead_letter_topic, AclOperation.ALTER_CONFIGS)
        self.allow_only(admin, ResourceType.GROUP, config.sink.group_id, AclOperation.DESCRIBE)
        findings = look(config)
        source, sink = findings[f"topic {config.source.topic}"], findings[f"topic {config.sink.topics[0]}"]
        assert (source.result, source.seen) == ("fail", "2 partitions, but this user may not write it")
        assert f"--operation Write --topic {config.source.topic}" in source.fix
        assert (sink.result, sink.seen) == ("fail", "2 partitions, but this user may not read it")
        hidden = findings[f"topic {config.sink.dead_letter_topic}"]
        assert (hidden.result, hidden.seen) == ("fail", "this user may not see it")
        assert findings["sink group"].result == "fail"
        assert findings[f"topic {config.source.dead_letter_topic}"].result == "ok"

    def test_transactions(self, admin: AdminClient, config: Config) -> None:
        topic = f"{config.source.topic}.positions"
        config = replace(config, source=replace(config.source, delivery="exactly_once", position_topic=topic))
        missing = look(config)[f"topic {topic}"]
        assert (missing.result, missing.seen) == ("fail", "does not exist")
        self.make(admin, config)
        findings = look(config)
        assert findings["transactions"].result == "ok"
        assert (findings[f"places in {topic}"].result, findings[f"places in {topic}"].seen) == (
            "fail",
            "cleanup.policy is delete: Kafka deletes the position of a partition that is quiet for long",
        )
        name = f"ingest/doctor/{socket.gethostname()}"
        self.allow_only(admin, ResourceType.TRANSACTIONAL_ID, name, AclOperation.DESCRIBE)
        refused = look(config)["transactions"]
        assert (refused.result, refused.seen) == (
            "fail",
            "this user may not use transactional ids that begin with ingest/",
        )

    def test_small_records(self, admin: AdminClient, config: Config) -> None:
        self.make(admin, config, {"max.message.bytes": "300000"})
        findings = look(config)
        size = findings[f"largest record of {config.source.topic}"]
        assert size.result == "warn"
        assert "300,000 bytes" in size.seen
        assert "raise max.message.bytes of the topic to 530432" in size.fix
        assert findings[f"largest record of {config.source.dead_letter_topic}"].result == "ok", "bodies as they were"

    def test_fewer_partitions_than_processes(self, admin: AdminClient, config: Config) -> None:
        self.make(admin, config)
        topic = look(replace(config, sink=replace(config.sink, processes=3)))[f"topic {config.sink.topics[0]}"]
        assert topic.result == "warn"
        assert "2 partitions for sink.processes = 3" in topic.seen


@pytest.mark.services
def test_a_cluster_that_makes_topics(kafka: KafkaCluster) -> None:
    config = configured(kafka.bootstrap, f"iot-{uuid.uuid4().hex}")
    topic = look(config)[f"topic {config.source.topic}"]
    assert topic.result == "warn"
    assert "the brokers make it at its first use" in topic.seen
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=30).topics
    assert not topics_in_use(config).keys() & topics.keys(), "the doctor has made a topic"


def test_a_cluster_that_is_away() -> None:
    with MockCluster() as cluster:
        bootstrap = cluster.bootstrap
    findings = look(configured(bootstrap))
    assert findings["Kafka"].result == "fail"
    assert f"{bootstrap} does not answer" in findings["Kafka"].seen
    assert "Connection refused" in findings["Kafka"].seen
    assert {finding.result for name, finding in findings.items() if name != "Kafka"} == {"skipped"}


def test_a_cluster_that_does_not_tell_of_rights() -> None:
    with MockCluster() as cluster:
        cluster.create_topic("iot-in", 3)
        findings = look(configured(cluster.bootstrap))
    topic = findings["topic iot-in"]
    assert (topic.result, topic.seen) == ("ok", "3 partitions (the cluster does not tell what this user may)")
    assert findings["largest record of iot-in"].result == "warn"
    assert findings["topic iot-in.dead"].result == "fail"


def test_a_setting_that_librdkafka_does_not_know() -> None:
    findings = look(configured("127.0.0.1:1", **{"no.such.key": "1"}))
    assert findings["Kafka"].result == "fail"
    assert "no.such.key" in findings["Kafka"].seen
    assert "kafka.librdkafka" in findings["Kafka"].fix


@pytest.mark.parametrize(
    ("errors", "words", "fix"),
    [
        ([("_TRANSPORT", "refused"), ("_AUTHENTICATION", "bad user")], "bad user", "sasl"),
        ([("_TRANSPORT", "timed out"), ("_SSL", "no certificate")], "no certificate", "ssl.ca.location"),
        ([("_TRANSPORT", "failed"), ("_TRANSPORT", "SSL alert number 116")], "alert", "ssl.certificate.location"),
        (
            [("_TRANSPORT", "failed"), ("_AUTHENTICATION", "there is no token available; (-1)")],
            "token",
            "token.endpoint.url",
        ),
        ([("_TRANSPORT", "timed out"), ("_RESOLVE", "no such name")], "no such name", "DNS"),
        ([("_TRANSPORT", "timed out"), ("_ALL_BROKERS_DOWN", "all down")], "timed out", "firewall"),
    ],
)
def test_why_nobody_answers(errors: list[tuple[str, str]], words: str, fix: str) -> None:
    verdict = judge_unreached("kafka:9092", errors)
    assert verdict.result == "fail"
    assert words in verdict.seen
    assert fix in verdict.fix


@pytest.mark.parametrize(("makes", "result"), [(True, "warn"), (False, "fail"), (None, "fail")])
def test_a_missing_topic_that_the_brokers_would_make(makes: bool | None, result: str) -> None:
    verdict = judge_topic_error("iotin", "UNKNOWN_TOPIC_OR_PART", "", makes_topics=makes, file="a.toml")
    assert (verdict.result, verdict.fix) == (result, "ingest topics create -c a.toml")


@pytest.mark.parametrize(
    ("limit", "own", "form", "dead_letters", "result"),
    [
        (1_048_588, None, "json", False, "ok"),
        (530_432, None, "json", False, "ok"),
        (530_431, None, "json", False, "warn"),
        (300_000, None, "raw", False, "ok"),
        (300_000, None, "json", True, "ok"),
        (1_048_588, 100_000, "json", False, "warn"),
        (None, 100_000, "raw", False, "warn"),
        (None, None, "raw", False, "warn"),
    ],
)
def test_sizes(limit: int | None, own: int | None, form: str, dead_letters: bool, result: str) -> None:
    verdict = judge_size(limit, own, form, dead_letters=dead_letters)
    assert verdict.result == result
    assert ("[kafka.librdkafka]" in verdict.fix) == (own == 100_000)


def test_what_kind_of_cluster_it_is() -> None:
    namespace = "plant.servicebus.windows.net:9093"
    assert judge_cluster(namespace, "c", 1, "event_hubs").seen == f"{namespace}: Azure Event Hubs, 1 broker"
    taken_for_another = judge_cluster(namespace, "c", 1, "kafka")
    assert (taken_for_another.result, taken_for_another.fix) == ("warn", 'write kafka.kind = "event_hubs"')
    missing = judge_topic_error(
        "iotin", "UNKNOWN_TOPIC_OR_PART", "", makes_topics=None, file="a", create="in the portal"
    )
    assert missing.fix == "in the portal"


def test_groups() -> None:
    assert judge_group("g", ("READ",), ["ingest-sink-0 on 10.0.0.1"]).seen.startswith("g is in use by ingest-sink-0 on")
    other = judge_group(
        "g", ("READ",), ["ingest-sink-0@b on 10.0.0.1"], ("it has a sink of another hub, b", "give each its own")
    )
    assert (other.result, other.fix) == ("fail", "give each its own")
    assert judge_group("g", None, ()).result == "ok"
    assert "--operation Read --group g" in judge_group("g", ("DESCRIBE",), ()).fix
    assert judge_group_error("g", "GROUP_AUTHORIZATION_FAILED", "no").result == "fail"
    assert judge_group_error("g", "GROUP_ID_NOT_FOUND", "no").seen == "g is new"
    assert judge_group_error("g", "_TIMED_OUT", "no answer").result == "warn"


def test_topics_that_are_used() -> None:
    config = configured("127.0.0.1:1")
    assert topics_in_use(config) == {
        "iot-in": "write",
        "iot-in.dead": "write",
        "iot-out": "read",
        "iot-out.dead": "write",
    }
    asked = replace(config, sink=replace(config.sink, ack="full"), hub=Hub(iot_hub_connection_string=Secret(IOT_HUB)))
    assert topics_in_use(asked) == {"iot-out": "read", "iot-out.dead": "write", "iotfeedback": "write"}
