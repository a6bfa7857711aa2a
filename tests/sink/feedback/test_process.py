"""From the hub's messages to Kafka's records, with a stand-in for the link or the emulator itself."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ingest.config import Config, Hub, Kafka, Secret
from ingest.emulator import Emulator
from ingest.errors import RestartRequired
from ingest.kafka.mock_cluster import MockCluster
from ingest.metrics.meter import Meter
from ingest.process.child import Child, ProcessSpec
from ingest.sink.feedback import process as feedback
from ingest.sink.feedback.contract import Received
from ingest.sink.feedback.dedup import FeedbackDedup
from ingest.sink.feedback.link import FeedbackLink
from ingest.sink.feedback.process import FeedbackProcess
from ingest.sink.feedback.tail import read_tail
from ingest.timing import Deadline
from tests.sink.feedback_hub import connection_string, end_commands

PATIENCE = 60.0
PRODUCE = 0
TOPIC, DEAD = "iotfeedback", "iotout.dead"


class Link:
    """What the process uses of a FeedbackLink."""

    def __init__(self) -> None:
        self.incoming: list[bytes] = []
        self.accepted: list[bytes] = []
        self.trouble: str | None = None
        self.ready = True
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def poll(self) -> list[Received]:
        incoming, self.incoming = self.incoming, []
        return [Received(body, lambda body=body: self.accepted.append(body)) for body in incoming]  # type: ignore[misc]

    def pause(self, why: str) -> None:
        self.trouble = why

    def close(self) -> None: ...


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as made:
        for topic in (TOPIC, DEAD, "iotout"):
            made.create_topic(topic, 1)
        yield made


@pytest.fixture(autouse=True)
def _the_mock_cluster_tells_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not answer the question, which would be waited for."""
    monkeypatch.setattr("ingest.kafka.dead_letters.topic.max_record_bytes", lambda *_: None)


@pytest.fixture
def config(cluster: MockCluster) -> Config:
    text = "HostName=hub.example;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0"
    base = Config()
    return replace(
        base,
        hub=Hub(iot_hub_connection_string=Secret(text)),
        kafka=Kafka(bootstrap_servers=cluster.bootstrap),
        sink=replace(base.sink, ack="full"),
    )


@pytest.fixture
def child(config: Config) -> Iterator[Child]:
    here, there = Pipe()
    with here, there:
        yield Child(ProcessSpec("feedback", "0", "ingest.sink.feedback.process:run", config), there)


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def process(child: Child, link: Link) -> Iterator[FeedbackProcess]:
    made = started(child, link)
    yield made
    made.pool.terminate()


def started(child: Child, link: Link, seen: FeedbackDedup | None = None) -> FeedbackProcess:
    made = FeedbackProcess(child, FeedbackDedup() if seen is None else seen)
    made.link = cast(FeedbackLink, link)
    made.start()
    return made


def batch(*message_ids: str, status: str = "Success", second: int = 0) -> bytes:
    return json.dumps(
        [
            {
                "originalMessageId": message_id,
                "deviceId": "dev",
                "statusCode": status,
                "description": status,
                "deviceGenerationId": "1",
                "enqueuedTimeUtc": f"2026-01-01T00:00:{second:02d}.250Z",
            }
            for message_id in message_ids
        ]
    ).encode()


def settle(process: FeedbackProcess, link: Link, accepted: int) -> None:
    deadline = Deadline(PATIENCE)
    while len(link.accepted) < accepted:
        assert not deadline.expired
        process.poll()


def read(cluster: MockCluster, topic: str) -> list[Message]:
    """All that is there."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    try:
        end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE)[1]
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []
        deadline = Deadline(PATIENCE)
        while len(found) < end and not deadline.expired:
            found += consumer.consume(1_000, timeout=0.1)
        return found
    finally:
        consumer.close()


def told(cluster: MockCluster) -> list[str]:
    return [json.loads(message.value() or b"")["messageId"] for message in read(cluster, TOPIC)]


def test_one_record_for_each_command(cluster: MockCluster, process: FeedbackProcess, link: Link) -> None:
    body = batch("m1", "m2")
    link.incoming = [body]
    settle(process, link, 1)
    assert link.accepted == [body]
    first, second = read(cluster, TOPIC)
    assert (first.key(), first.timestamp()[1]) == (b"dev", 1_767_225_600_250)
    assert json.loads(first.value() or b"") == {
        "messageId": "m1",
        "deviceId": "dev",
        "status": "Success",
        "description": "Success",
        "enqueuedTime": "2026-01-01T00:00:00.250Z",
        "deviceGenerationId": "1",
    }
    assert json.loads(second.value() or b"")["messageId"] == "m2"
    assert process.told == {"Success": 2}


def test_repeats_are_dropped_and_accepted(cluster: MockCluster, process: FeedbackProcess, link: Link) -> None:
    link.incoming = [batch("m1", "m2"), batch("m2", "m3", second=9), batch("m1", "m2")]
    settle(process, link, 3)
    assert told(cluster) == ["m1", "m2", "m3"]
    assert process.repeats == 3


def test_nothing_is_accepted_before_kafka_has_it_not_even_a_repeat(
    cluster: MockCluster, process: FeedbackProcess, link: Link
) -> None:
    cluster.set_down(1)
    link.incoming = [batch("m1"), batch("m1")]
    deadline = Deadline(1.0)
    while not deadline.expired:
        process.poll()
    assert link.accepted == []
    cluster.set_up(1)
    settle(process, link, 2)
    assert told(cluster) == ["m1"]


def test_a_message_that_kafka_does_not_take_in_time_goes_back_to_the_hub(
    cluster: MockCluster, process: FeedbackProcess, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "HOLD_SECONDS", 0.1)
    cluster.set_down(1)
    link.incoming = [batch("m1")]
    deadline = Deadline(PATIENCE)
    while link.trouble is None and not deadline.expired:
        process.poll()
    assert (link.trouble, link.starts) == ("waiting for Kafka", 1)
    cluster.set_up(1)
    settle(process, link, 1)
    assert link.starts == 2


@pytest.mark.parametrize("body", [b"no JSON", b"{}", b"[1]"])
def test_what_cannot_be_read_is_dead_lettered_then_accepted(
    cluster: MockCluster, process: FeedbackProcess, link: Link, body: bytes
) -> None:
    link.incoming = [body, batch("m1")]
    settle(process, link, 2)
    [letter] = read(cluster, DEAD)
    assert letter.value() == body
    headers = dict(letter.headers() or [])
    assert headers["ingest-reason"] == b"malformed_feedback"
    assert headers["ingest-hub"] == b"hub.example"
    assert (process.malformed, told(cluster)) == (1, ["m1"])


def test_good_neighbours_of_a_bad_record_are_told(cluster: MockCluster, process: FeedbackProcess, link: Link) -> None:
    link.incoming = [batch("m1", "m2")[:-1] + b", 7]"]
    settle(process, link, 1)
    assert told(cluster) == ["m1", "m2"]
    assert len(read(cluster, DEAD)) == 1


def test_an_error_that_no_record_is_to_blame_for_ends_the_process(
    cluster: MockCluster, process: FeedbackProcess, link: Link
) -> None:
    cluster.push_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    link.incoming = [batch("m1")]
    with pytest.raises(RestartRequired, match="topic iotfeedback: TOPIC_AUTHORIZATION_FAILED"):
        settle(process, link, 1)
    assert link.accepted == []


@pytest.mark.parametrize(("refusals", "dead"), [(1, 0), (2, 1)])
def test_a_record_that_the_broker_refuses_is_tried_alone_before_it_is_dead_lettered(
    cluster: MockCluster, process: FeedbackProcess, link: Link, refusals: int, dead: int
) -> None:
    cluster.push_errors(PRODUCE, [KafkaError.INVALID_TIMESTAMP] * refusals)
    link.incoming = [batch("m1", "m2", "m3")]
    settle(process, link, 1)
    assert len(told(cluster)) == 3 - dead
    assert len(read(cluster, DEAD)) == dead


def test_event_hubs_that_is_too_busy_is_tried_again(
    cluster: MockCluster, config: Config, child: Child, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "THROTTLED_SECONDS", 0.0)
    kafka = replace(config.kafka, kind="event_hubs", librdkafka={"security.protocol": "plaintext"})
    child.task = replace(child.task, config=replace(config, kafka=kafka))
    process = started(child, link)
    cluster.push_errors(PRODUCE, [KafkaError.POLICY_VIOLATION] * 4)
    link.incoming = [batch("m1")]
    settle(process, link, 1)
    process.pool.terminate()
    assert (told(cluster), read(cluster, DEAD)) == (["m1"], [])


@pytest.mark.parametrize(
    ("setting", "least"), [("message.max.bytes", "1000"), ("queue.buffering.max.kbytes", "1")], ids=["client", "queue"]
)
def test_a_record_that_the_client_does_not_take_is_dead_lettered_and_stops_nothing(
    cluster: MockCluster, config: Config, child: Child, link: Link, setting: str, least: str
) -> None:
    child.task = replace(child.task, config=replace(config, kafka=replace(config.kafka, librdkafka={setting: least})))
    process = started(child, link)
    link.incoming = [batch("m1", "m" * 1_100, "m2")]
    settle(process, link, 1)
    process.pool.terminate()
    assert told(cluster) == ["m1", "m2"]
    (found,) = read(cluster, DEAD)
    assert dict(found.headers() or [])["ingest-reason"] == b"too_large"


def test_the_next_life_knows_what_the_topic_has(
    cluster: MockCluster, config: Config, child: Child, process: FeedbackProcess, link: Link
) -> None:
    link.incoming = [batch(*(f"m{number}" for number in range(50)))]
    settle(process, link, 1)
    seen, second = FeedbackDedup(), Link()
    assert read_tail(config.kafka, TOPIC, seen) == 50
    later = started(child, second, seen)
    second.incoming = [batch("m0", "m49", "new")]
    settle(later, second, 1)
    assert told(cluster)[50:] == ["new"]
    assert later.repeats == 2


def test_the_end_waits_for_kafka_and_takes_nothing_more(
    cluster: MockCluster, process: FeedbackProcess, link: Link
) -> None:
    body = batch("m1")
    link.incoming = [body]
    process.poll()
    link.incoming = [batch("m2")]
    process.close(Deadline(PATIENCE))
    assert link.accepted == [body]
    assert told(cluster) == ["m1"]


def test_the_end_does_not_wait_for_ever(cluster: MockCluster, process: FeedbackProcess, link: Link) -> None:
    cluster.set_down(1)
    link.incoming = [batch("m1")]
    process.poll()
    process.close(Deadline(0.3))
    assert link.accepted == []


def test_counts_have_the_hubs_statuses_and_no_others(child: Child, process: FeedbackProcess, link: Link) -> None:
    link.incoming = [batch("m1"), batch("m1"), batch("m2", status="Expired"), batch("m3", status="Odd"), b"bad"]
    settle(process, link, 5)
    meter = Meter()
    process._measure(meter)
    counts = {labels: value for name, labels, value in meter.changes() if name == "sink_feedback_total"}
    expected = {"Success": 1, "Expired": 1, "other": 1, "repeat": 1, "malformed": 1}
    assert counts == {("0", status): count for status, count in expected.items()}
    letters = {labels: value for name, labels, value in meter.changes() if name == "sink_dead_letters_total"}
    assert letters == {("feedback", "malformed_feedback"): 1}, "none of the sending process 0"


def test_the_whole_role_with_a_hub_and_a_killed_link(cluster: MockCluster, config: Config) -> None:
    """Every command that was delivered has one record, though the link is torn down again and again."""
    with Emulator(partitions=1) as emulator:
        hub = Hub(
            iot_hub_connection_string=Secret(connection_string(emulator)), ca_file=Path(emulator.endpoints.ca_file)
        )
        here, there = Pipe()
        with here, there:
            child = Child(ProcessSpec("feedback", "0", "", replace(config, hub=hub)), there)
            ended: list[Any] = []

            def role() -> None:
                try:
                    feedback.run(child)
                except BaseException as error:
                    ended.append(error)

            thread = threading.Thread(target=role)
            thread.start()
            try:
                for part in range(6):
                    end_commands(emulator, [(f"d{n % 7}", f"m{part}-{n}") for n in range(20)])
                    if part % 2:
                        emulator.wait_for(lambda stats: stats.connections == 1, PATIENCE)
                        emulator.faults.abort()
                deadline = Deadline(PATIENCE)
                while emulator.c2d.stats().feedback_batches_completed < 6:
                    assert not deadline.expired
                    thread.join(0.02)
            finally:
                child.stop(PATIENCE)
                thread.join(PATIENCE)
            assert ended == []
            assert not thread.is_alive()
    assert sorted(told(cluster)) == sorted(f"m{part}-{n}" for part in range(6) for n in range(20))
