"""`ingest replay` from an emulated hub into Apache Kafka."""

import json
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer

from ingest.cli.main import main
from ingest.emulator import Emulator
from ingest.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from ingest.kafka.admin import Topics, TopicSpec, create_topics
from ingest.kafka.bounded_reader import CONSUMER, BoundedReader, ends_of
from ingest.replay import replay as module
from ingest.timing import Deadline
from tests.audit.rig import PATIENCE, Rig, span
from tests.cli.test_audit import hub
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort
from tests.source.readers import Reader, configured

__all__ = ["hub"]
PLACES = 2


class Target:
    """A topic to replay into."""

    def __init__(self, kafka: KafkaCluster) -> None:
        self.topic, self._bootstrap = f"again-{uuid4().hex[:8]}", kafka.bootstrap
        create_topics(kafka.bootstrap, {}, [TopicSpec(self.topic, PLACES, config={"retention.ms": "-1"})], PATIENCE)

    def records(self) -> list[tuple[Any, ...]]:
        """Key, value and time of each record, in order per partition."""
        consumer = Consumer({**CONSUMER, "bootstrap.servers": self._bootstrap, "group.id": "none"})
        try:
            ends = ends_of(consumer, self.topic, PLACES, Deadline(PATIENCE))
            spans = {partition: (end.low, end.high) for partition, end in ends.items()}
            reader = BoundedReader(consumer, self.topic, spans)
            return [(each.key(), each.value(), each.timestamp()[1]) for each in reader.to_the_end(Deadline(PATIENCE))]
        finally:
            consumer.close()

    def numbers(self, partition: str) -> list[int]:
        told = [json.loads(value) for _, value, _ in self.records()]
        return sorted(each["sequenceNumber"] for each in told if each["partition"] == partition)


def options(rig: Rig, target: Target, first: int, last: int) -> list[str]:
    more = ("--set", "checkpoints.store=file", "--consumer-group", "audit")
    return [*span(first, last), "--topic", target.topic, *more]


def test_events_come_again_beside_who_owns_the_partitions(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, target = Rig(hub, kafka, size=60), Target(kafka)
    owner = Reader(configured(hub, "fast"))
    try:
        owner.until_events(60)
        assert rig.run("replay", *options(rig, target, 10, 39)) == EXIT_OK
        assert f"60 events sent to {target.topic}\n  partition 0: 30\n  partition 1: 30\n" in capsys.readouterr().out
        hub.hub.publish(str(rig.logs["0"][0].device_id), b"live")
        owner.until_events(61)
        assert not owner.receiver.reconnects
    finally:
        owner.receiver.close()
    for partition in "01":
        assert target.numbers(partition) == list(range(10, 40))
    by_key: dict[bytes, list[int]] = {}
    for key, value, time_ms in target.records():
        told = json.loads(value)
        one = rig.logs[told["partition"]][told["sequenceNumber"]]
        assert (key, told["content"], time_ms) == (str(one.device_id).encode(), one.body.decode(), one.enqueued_ms)
        by_key.setdefault(key, []).append(told["sequenceNumber"])
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    # The same group as the owner's: it is not taken from it.
    owner = Reader(configured(hub, "fast"))
    try:
        owner.until_events(61)
        assert rig.run("replay", *options(rig, target, 10, 39)[:-2]) == EXIT_UNAVAILABLE
        assert "name another group with --consumer-group" in capsys.readouterr().err
        assert not owner.receiver.reconnects
    finally:
        owner.receiver.close()


def test_what_is_interrupted_says_how_to_go_on(
    hub: Emulator, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, target = Rig(hub, kafka, size=60), Target(kafka)
    monkeypatch.setattr(module, "AT_ONCE", 7)
    reached = module.Replay._settle

    def settle(self: module.Replay, progress: Any) -> None:
        reached(self, progress)
        if self.tally.total == 21:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.Replay, "_settle", settle)
    assert rig.run("replay", *options(rig, target, 10, 39), "--partition", "1") == EXIT_INTERRUPTED
    assert "Not finished (finished partitions: none). To go on, add: --after 1=23\n" in capsys.readouterr().out
    assert target.numbers("1") == list(range(10, 31))
    monkeypatch.setattr(module.Replay, "_settle", reached)
    assert rig.run("replay", *options(rig, target, 10, 39), "--partition", "1", "--after", "1=23", "--json") == EXIT_OK
    told = json.loads(capsys.readouterr().out)
    wanted = {"sent": 16, "reached": 39, "complete": True, "oldest_held": None}
    assert told == {"topic": target.topic, "sent": 16, "refused": {}, "partitions": {"1": wanted}}
    assert sorted(set(target.numbers("1"))) == list(range(10, 40))


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("iotin", "is source.topic, whose consumers would see the events a second time"),
        ("iotin.dead", "is in source.dead_letter_topic"),
        ("iotout", "is in sink.topics"),
    ],
)
def test_a_topic_in_use_is_refused(topic: str, why: str, hub: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *span(0, 1), "--topic", topic, "--set", "checkpoints.store=file"])
    assert ended.value.code == EXIT_USAGE
    assert why in capsys.readouterr().err


def test_a_topic_that_does_not_exist_is_not_made(
    hub: Emulator, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The broker makes topics on first use: one that is misspelt would take all events."""
    rig = Rig(hub, kafka, size=1)
    name = f"again-{uuid4().hex[:8]}"
    more = ("--set", "checkpoints.store=file", "--consumer-group", "audit")
    assert rig.run("replay", *span(0, 0), "--topic", name, *more) == EXIT_UNAVAILABLE
    assert f"topic '{name}' does not exist, or this user may not see it: name another" in capsys.readouterr().err
    assert name not in Topics({"bootstrap.servers": kafka.bootstrap}).partitions(Deadline(PATIENCE))


def test_why_no_broker_answers_is_asked_first(
    hub: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question about the topic's limit waits as long, and does not say why."""
    asked: list[str] = []
    monkeypatch.setattr(module, "max_record_bytes", lambda *_: asked.append("limit"))
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    nobody = ReservedPort()
    more = ("--set", "checkpoints.store=file", "--consumer-group", "audit")
    kafka = ("--set", f"kafka.bootstrap_servers={nobody.address}")
    assert main(["replay", *span(0, 0), "--topic", "again", "--json", *more, *kafka]) == EXIT_UNAVAILABLE
    nobody.close()
    out, err = capsys.readouterr()
    assert "Connection refused" in err
    assert json.loads(out)["sent"] == 0
    assert not asked
