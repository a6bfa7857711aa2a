"""`ingest redrive` from its command line, against librdkafka's mock cluster."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from ingest.amqp.message import Data, Properties
from ingest.amqp.message import Message as AmqpMessage
from ingest.cli import redrive
from ingest.cli.main import main
from ingest.config import Config, Kafka
from ingest.emulator import Emulator
from ingest.errors import EXIT_CRASH, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, Undeliverable
from ingest.kafka.dead_letters.record import dead_letter, without_body
from ingest.kafka.mock_cluster import MockCluster
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.events.decoder import event_of
from ingest.source.events.event import carried
from ingest.source.formats.json import JsonFormat
from ingest.timing import Deadline
from tests.source import messages
from tests.source.readers import Reader, configured

COMMAND = ["redrive", "--from", "iotout.dead"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockCluster]:
    with MockCluster() as made:
        made.create_topic("iotout", 1)
        made.create_topic("iotout.dead", 1)
        monkeypatch.setenv("INGEST__KAFKA__BOOTSTRAP_SERVERS", made.bootstrap)
        # It answers no question about a topic's largest record.
        monkeypatch.setattr("ingest.kafka.dead_letters.topic.LIMIT_SECONDS", 0.1)
        yield made


def write(cluster: MockCluster, *reasons: str, topic: str | None = "iotout") -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for reason in reasons:
        key, value, headers = dead_letter(b"dev", b"{}", reason, "why", {"topic": topic})
        producer.produce("iotout.dead", value, key, headers=headers)
    assert producer.flush(60) == 0


def test_a_summary(cluster: MockCluster, capsys: pytest.CaptureFixture[str]) -> None:
    write(cluster, "expired", "device_not_found", "device_not_found", "too_large", "too_large", "too_large")
    assert main([*COMMAND, "--reason", "device_not_found", "--dry-run"]) == EXIT_OK
    assert "would send 2" in capsys.readouterr().out
    assert main([*COMMAND, "--reason", "device_not_found"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[:4] == [
        "read      6",
        "matched   2",
        "sent      2",
        "skipped   4 (3 too_large, 1 expired)",
    ]
    assert main(COMMAND) == EXIT_OK
    assert "redriven before, by runs with --reason: 2" in capsys.readouterr().out
    assert main(COMMAND) == EXIT_OK
    assert "Nothing is new in iotout.dead" in capsys.readouterr().out


def test_one_line_of_json_and_a_code_when_a_record_is_refused(
    cluster: MockCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    write(cluster, "expired")
    write(cluster, "expired", topic="iotout.dead")
    assert main([*COMMAND, "--json", "--rate", "1000"]) == EXIT_CRASH
    assert json.loads(capsys.readouterr().out) == {
        "topic": "iotout.dead",
        "reason": None,
        "dryRun": False,
        "read": 2,
        "matched": 2,
        "sent": 1,
        "redrivenBefore": 0,
        "skipped": {},
        "refused": {"bad_origin": 1},
    }
    assert main([*COMMAND, "--all"]) == EXIT_CRASH
    assert "bad_origin, the first: iotout.dead[0] at 1: its header ingest-topic names" in capsys.readouterr().out


def read(cluster: MockCluster, topic: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    deadline = Deadline(60)
    while len(found) < count:
        assert not deadline.expired
        found += consumer.consume(count, 0.2)
    consumer.close()
    return found


def test_events_and_feedback_go_where_they_were_meant_for(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the source and the feedback process write to their dead-letter topics, as they write it."""
    for topic in ("iotin", "iotin.dead", "iotfeedback"):
        cluster.create_topic(topic, 1)
    events = [event_of(messages.odd(name)) for name in sorted(messages.ODD) if name != "a large body"]
    letters = DeadLetters(Config(kafka=Kafka(bootstrap_servers=cluster.bootstrap)), "0")
    for event in events:
        letters.send(event, Undeliverable("too_large", "why"), lambda: None)
    assert letters.topic.join(Deadline(60), while_waiting=lambda: None)
    assert main(["redrive", "--from", "iotin.dead"]) == EXIT_OK
    assert f"sent      {len(events)}" in capsys.readouterr().out
    found = read(cluster, "iotin", len(events))
    wanted = [JsonFormat("0").encode(carried(event)) for event in events]
    assert [(message.key(), message.value()) for message in found] == [record[:2] for record in wanted]
    assert {message.timestamp()[1] for message in found} == {messages.NOW_MS + 7}
    assert all(message.headers() == [("ingest-redriven", b"1")] for message in found)

    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for letter in (told := dead_letter(b"dev", b"{}", "x", "why", {"hub": "h"})), without_body(told):
        producer.produce("iotout.dead", letter.value, letter.key, headers=letter.headers)
    assert producer.flush(60) == 0
    assert main(COMMAND) == EXIT_CRASH
    assert "refused   1 (1 gone)" in capsys.readouterr().out
    (message,) = read(cluster, "iotfeedback", 1)
    assert (message.key(), message.value(), message.headers()) == (b"dev", b"{}", [("ingest-redriven", b"1")])


def test_progress_goes_to_stderr(
    cluster: MockCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "PROGRESS_SECONDS", 0.0)
    write(cluster, "expired")
    assert main([*COMMAND, "--json"]) == EXIT_OK
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert "iotout.dead: 1 of 1 read, 1 sent" in shown.err


def test_what_only_the_hub_still_has_is_read_there(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.create_topic("iotin", 1)
    cluster.create_topic("iotin.dead", 1)
    with Emulator(partitions=1, consumer_groups=("$Default", "redrive")) as emulator:
        monkeypatch.setenv("INGEST__HUB__EVENT_HUB_CONNECTION_STRING", emulator.endpoints.event_hub_connection_string)
        monkeypatch.setenv("INGEST__SOURCE__FORMAT", "raw")
        large = b"x" * 1_200_000  # larger than a topic takes without more ado
        emulator.append("0", AmqpMessage(properties=Properties(message_id="m-1"), body=Data((large,))))
        reader = Reader(configured(emulator, "fast"))
        reader.until_events(1)
        letters = DeadLetters(Config(kafka=Kafka(bootstrap_servers=cluster.bootstrap)), "0")
        letters.send(reader.events[0], Undeliverable("too_large", "why"), lambda: None)
        assert letters.topic.join(Deadline(60), while_waiting=lambda: None)
        # Its owner reads on; nothing is passed over.
        assert main(["redrive", "--from", "iotin.dead"]) == EXIT_UNAVAILABLE
        assert "a running ingest owns the partition" in capsys.readouterr().err
        assert main(["redrive", "--from", "iotin.dead", "--consumer-group", "redrive"]) == EXIT_OK
        reader.receiver.close()
    (message,) = read(cluster, "iotin", 1)
    assert message.value() == large
    assert ("messageId", b"m-1") in (message.headers() or [])


@pytest.mark.parametrize("wrong", [["redrive"], [*COMMAND, "--rate", "0"], [*COMMAND, "--rate", "nan"]])
def test_wrong_use(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(wrong)
    assert raised.value.code == EXIT_USAGE


def test_help_explains_which_records_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["redrive", "--help"])
    assert raised.value.code == EXIT_OK
    shown = capsys.readouterr().out
    assert "Every record is redriven once" in shown
    assert "--dry-run" in shown
