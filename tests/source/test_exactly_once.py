"""A partition process between an emulated hub and Apache Kafka: whatever becomes of it, a reader of committed records gets every
event once."""

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ingest.config import Checkpoints, Config, Kafka, Source
from ingest.emulator import Emulator
from ingest.errors import Displaced, Refused, Unreachable
from ingest.kafka.position_topic import SETTINGS
from ingest.process.child import Child, ProcessSpec
from ingest.source import exactly_once
from ingest.source.checkpoints import Checkpoint, open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.exactly_once import Transactions, _initialized, forget_position, open_transactions
from ingest.source.partition import PartitionProcess
from ingest.source.preflight import Topics, check_topics
from ingest.source.steps import Steps
from ingest.timing import Deadline
from tests.services.kafka import KafkaCluster
from tests.source.readers import PARTITION, PATIENCE, configured

LIMIT = 20_000


class Idle(Child):
    """A child of nobody."""

    def __init__(self, config: Config) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("source", PARTITION, "", config), pipe)

    def beat(self, ready: bool, detail: str) -> None: ...

    def unsaved(self, sentence: str) -> None:
        pytest.fail(sentence)

    def want_turn(self) -> None: ...

    def wait_for_turn(self, seconds: float) -> bool:
        return True


class Node:
    """One life of the partition's process, started as `partition.run` starts it."""

    def __init__(self, config: Config, limit: int = LIMIT) -> None:
        """`limit`: what it believes of the telemetry topic's records."""
        topics = replace(check_topics(config), max_record_bytes=limit)
        child = Idle(config)
        transactions = open_transactions(child, topics, Steps())
        assert transactions is not None
        store = open_store(config.checkpoints, scope(config))
        self.start = transactions.start(store.load(PARTITION))
        self.process = PartitionProcess(child, store, self.start, topics, None, transactions)
        self.process.start()

    def until(self, count: int) -> None:
        """Until so many are committed in this life."""
        deadline = Deadline(PATIENCE)
        while self.process.delivery.acked < count:
            assert not deadline.expired, (self.process.delivery.trouble, self.process.receiver.trouble)
            self.process.poll()

    def until_in_kafka(self, count: int) -> None:
        """Until so many are there, not all of them committed."""
        deadline = Deadline(PATIENCE)
        while self.process.receiver.events < count or self.process.delivery.pool.in_flight:
            assert not deadline.expired
            self.process.poll()


@pytest.fixture
def config(emulator: Emulator, kafka: KafkaCluster, tmp_path: Path) -> Config:
    name = f"once-{uuid.uuid4().hex}"
    source = Source(
        topic=name,
        dead_letter_topic=f"{name}.dead",
        position_topic=f"{name}.positions",
        delivery="exactly_once",
        commit_interval_ms=100,
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    topics = [
        NewTopic(name, 2, 1, config={"max.message.bytes": str(LIMIT)}),
        NewTopic(source.dead_letter_topic, 1, 1),
        NewTopic(source.position_topic, 1, 1, config=dict(SETTINGS)),
    ]
    for made in admin.create_topics(topics).values():
        made.result(30)
    made_of = configured(emulator, "fast")
    return replace(
        made_of,
        source=replace(source, consumer_group=made_of.source.consumer_group),
        kafka=Kafka(bootstrap_servers=kafka.bootstrap),
        checkpoints=Checkpoints(store="file", path=tmp_path),
    )


def committed(config: Config, topic: str, partitions: int = 2) -> list[tuple[bytes | None, bytes | None]]:
    consumer = Consumer(
        {
            "bootstrap.servers": config.kafka.bootstrap_servers,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[tuple[bytes | None, bytes | None]] = []
    ends, deadline = 0, Deadline(PATIENCE)
    while ends < partitions and not deadline.expired:
        for message in consumer.consume(500, 0.2):
            if message.error() is not None:
                ends += 1
            else:
                found.append((message.key(), message.value()))
    consumer.close()
    return found


def counters(config: Config) -> list[int]:
    return sorted(int(json.loads(value or b"")["content"]) for _, value in committed(config, config.source.topic))


def send(emulator: Emulator, numbers: range) -> None:
    emulator.send_many((f"dev-{number % 7}", b"%d" % number, {}) for number in numbers)


def test_every_event_is_there_once_through_deaths_zombies_and_bad_events(emulator: Emulator, config: Config) -> None:
    first = Node(config)
    assert first.start is None
    send(emulator, range(500))
    first.until(500)
    send(emulator, range(500, 600))
    first.until_in_kafka(600)
    second = Node(config)
    assert second.start is not None
    assert second.start.sequence_number is not None
    assert 499 <= second.start.sequence_number <= 599
    send(emulator, range(600, 700))
    second.until(700 - (second.start.sequence_number + 1))
    assert counters(config) == list(range(700))
    with pytest.raises(Displaced, match="another one has its place"):
        first.until(10_000)
    first.process.leave(Deadline(PATIENCE))
    emulator.send_many([("dev-1", b"x" * 2 * LIMIT, {})])
    send(emulator, range(700, 800))
    second.until(800 - (second.start.sequence_number + 1))
    second.process.close(Deadline(PATIENCE))
    assert counters(config) == list(range(800))
    [(_, body)] = committed(config, config.source.dead_letter_topic, 1)
    assert body == b"x" * 2 * LIMIT, "its topic takes more than that of telemetry"
    saved = open_store(config.checkpoints, scope(config)).load(PARTITION)
    assert saved is not None
    assert saved.sequence_number == 800, "the checkpoint follows, as information"
    positions = committed(config, config.source.position_topic, 1)
    assert json.loads(positions[-1][1] or b"")["sequenceNumber"] == 800
    assert {key for key, _ in positions} == {f"{scope(config).namespace}/{scope(config).event_hub}/$default/0".encode()}
    forget_position(config, PARTITION, Deadline(PATIENCE))
    opened = open_transactions(Idle(config), Topics(LIMIT, 2), Steps())
    assert opened is not None
    assert opened.start(None) is None, "a position that was reset is none"


def test_a_record_that_only_the_broker_refuses_becomes_a_dead_letter_and_all_others_are_there_once(
    emulator: Emulator, config: Config
) -> None:
    node = Node(config, 2 * LIMIT)
    send(emulator, range(50))
    emulator.send_many([("dev-1", os.urandom(LIMIT // 2).hex().encode() + b"x" * 5_000, {})])
    send(emulator, range(50, 100))
    node.until(100)
    assert counters(config) == list(range(100))
    assert node.process.delivery.dead_lettered == {"too_large": 1}
    assert len(committed(config, config.source.dead_letter_topic, 1)) == 1
    assert node.process.delivery.errors["MSG_SIZE_TOO_LARGE"]
    node.process.leave(Deadline(PATIENCE))


def test_a_topic_of_positions_that_is_missing_is_never_made_at_its_first_use(config: Config) -> None:
    missing = replace(config, source=replace(config.source, position_topic="no-such-positions"))
    with pytest.raises(Refused, match=r"'no-such-positions' does not exist, .*: create it with `ingest topics create"):
        open_transactions(Idle(missing), Topics(LIMIT, 2), Steps())
    asked = AdminClient({"bootstrap.servers": config.kafka.bootstrap_servers, "log_level": 0})
    assert "no-such-positions" not in asked.list_topics(timeout=30).topics


def test_a_start_does_not_wait_for_the_client_to_look_again(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    """It looks for the coordinator of transactions at once, and then every 500 ms while it knows no broker to ask."""
    seen = replace(config, kafka=replace(config.kafka, librdkafka={"debug": "eos"}))
    with caplog.at_level(logging.DEBUG):
        opened = open_transactions(Idle(seen), Topics(LIMIT, 2), Steps())
        assert opened is not None
        opened._pool.poll(0)  # its log comes with its callbacks
    assert "Querying for transaction coordinator" in caplog.text
    assert "Unable to query for transaction coordinator" not in caplog.text


class Slow:
    """A pool whose broker takes its time."""

    def __init__(self, answer: threading.Event, trouble: str | None = "Kafka at kafka:9092 is slow") -> None:
        self.asked = self.looked = 0
        self.trouble = trouble
        self._answer = answer

    def meet(self, topic: str, seconds: float) -> None: ...

    def hindrance(self, seconds: float) -> str | None:
        self.looked += 1
        return "no broker coordinates transactions: start more"

    def initialize(self, seconds: float) -> None:
        self.asked += 1
        if not self._answer.wait(seconds):
            raise Unreachable("no answer")


class Watched(Idle):
    def __init__(self, config: Config, looked: Callable[[], object]) -> None:
        super().__init__(config)
        self.said: list[str] = []
        self._looked = looked

    def beat(self, ready: bool, detail: str) -> None:
        self.said.append(detail)
        if len(self.said) > 5:
            self._looked()


def test_a_broker_that_is_slow_is_asked_once_for_transactions() -> None:
    """A second question while the first is on its way would fence the producer itself."""
    answer = threading.Event()
    child, pool = Watched(Config(), answer.set), Slow(answer)
    assert _initialized(child, pool)  # type: ignore[arg-type]
    assert pool.asked == 1
    assert pool.trouble in child.said
    assert not pool.looked


def test_what_hinders_transactions_is_looked_for_once_and_told_long_before_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exactly_once, "PATIENCE_SECONDS", 0.0)
    answer = threading.Event()
    child, pool = Watched(Config(), answer.set), Slow(answer, None)
    assert _initialized(child, pool)  # type: ignore[arg-type]
    assert (pool.asked, pool.looked) == (1, 1)
    assert child.said[-1] == "no broker coordinates transactions: start more"
    assert "Partition 0 waits: no broker coordinates transactions: start more." in caplog.text


def test_a_stop_does_not_wait_for_a_slow_broker() -> None:
    answer = threading.Event()
    child = Watched(Config(), lambda: child.stop(1))
    assert not _initialized(child, Slow(answer))  # type: ignore[arg-type]
    answer.set()


@pytest.mark.parametrize(
    ("stored", "position", "expected"),
    [
        (None, None, None),
        (None, 5, 5),
        (7, None, 7),
        (3, 5, 5),
        (9, 5, 9),  # a time with at_least_once
    ],
)
def test_where_it_goes_on(stored: int | None, position: int | None, expected: int | None) -> None:
    def at(number: int | None) -> Checkpoint | None:
        return None if number is None else Checkpoint("0", str(number), number)

    transactions = Transactions(Config(), "0", None, at(position))  # type: ignore[arg-type]
    assert transactions.start(at(stored)) == at(expected)
    assert transactions.stored == at(stored), "what the checkpoint is written over"


def test_a_position_that_is_gone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Transactions(Config(), "0", None, None).start(Checkpoint("0", "7", 7))  # type: ignore[arg-type]
    assert "Partition 0 has no position in ingest-positions, and goes on behind its checkpoint" in caplog.text


def test_a_lease_of_an_old_processor_is_behind_every_position() -> None:
    lease, position = Checkpoint("0", "9", 9, lease=True), Checkpoint("0", "5", 5)
    assert Transactions(Config(), "0", None, position).start(lease) == position  # type: ignore[arg-type]
    assert Transactions(Config(), "0", None, None).start(lease) == lease  # type: ignore[arg-type]
