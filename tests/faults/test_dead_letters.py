"""Events that can never be delivered go to the dead-letter topic, with reason and place; the partition goes on."""

import json
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Message as Record

from ingest.amqp.encoding import encode
from ingest.amqp.message import section
from ingest.config import Config, Kafka, Source
from ingest.emulator import Emulator
from ingest.kafka.dead_letters.redrive import Redrive
from ingest.source.delivery.redriven import RestoredEvents
from ingest.source.formats.restore import event_of_letter
from tests.faults.conftest import Configure, both_transports
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
LIMIT = 2_000
HOURS_MS = 3_600_000


@pytest.fixture
def topic(kafka: KafkaCluster) -> Iterator[Topic]:
    with Topic(kafka.bootstrap, settings={"max.message.bytes": str(LIMIT)}) as topic:
        yield topic


@pytest.fixture
def dead(kafka: KafkaCluster, topic: Topic) -> Iterator[Topic]:
    with Topic(kafka.bootstrap, partitions=1, name=f"{topic.name}.dead") as dead:
        yield dead


@both_transports
def test_events_that_cannot_be_delivered(
    hub: Emulator, feeder: Feeder, topic: Topic, dead: Topic, configure: Configure
) -> None:
    device = feeder.device("0")
    feeder.send("0", 10)
    properties = {"level": "high", "binary": b"\xff", "nothing": float("nan")}
    large = hub.send(device, b"x" * LIMIT, properties=properties, message_id="m-1", module_id="mod")
    malformed = [section(0x75, encode("no binary")), b"\x00\x53\x73\xc0\xff"]
    broken = [hub.append("0", payload) for payload in malformed]
    source = configure()
    source.start()
    letters = {header(letter, "sequence-number"): letter for letter in dead.read_raw(3)}
    places = [large, *broken]
    assert [header(letters[str(each.sequence_number)], "offset") for each in places] == [each.offset for each in places]
    reasons = [header(letters[str(each.sequence_number)], "reason") for each in places]
    assert reasons == ["too_large", "malformed", "malformed"]
    assert all(header(letter, "partition") == "0" and header(letter, "error") for letter in letters.values())

    letter = letters[str(large.sequence_number)]
    assert (letter.key(), letter.value()) == (device.encode(), b"x" * LIMIT)
    assert header(letter, "device-id") == device
    headers = letter.headers()
    assert isinstance(headers, list)
    event = event_of_letter(headers, letter.value() or b"")
    assert (event.message_id, event.device_id, event.origin.module_id) == ("m-1", device, "mod")
    assert event.labels.properties == {"level": "high", "binary": {"$binary": "/w=="}, "nothing": {"$double": "NaN"}}
    for place, payload in zip(broken, malformed, strict=True):
        assert (letters[str(place.sequence_number)].value() or b"").endswith(payload)

    # The partition and its process went on.
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    source.wait_metric("source_dead_letters_total", 3, partition="0")
    source.wait_ready()
    assert len(source.pids("0")) == 1
    assert source.close() == 0
    assert json.loads((source.config.parent / "log").read_text().splitlines()[-1])["message"] == "Stopped."


def test_a_time_that_kafka_refuses(
    hub: Emulator, feeder: Feeder, topic: Topic, dead: Topic, configure: Configure, kafka: KafkaCluster
) -> None:
    """More than an hour ahead of the broker's (message.timestamp.after.max.ms): the letter must have another time, and so
    must the record that `ingest redrive` makes of it."""
    future = hub.send(feeder.device("0"), b"from the future", enqueued_at_ms=int(time.time() * 1000) + 3 * HOURS_MS)
    source = configure()
    source.start()
    (letter,) = dead.read_raw(1)
    assert (letter.value(), header(letter, "sequence-number")) == (b"from the future", str(future.sequence_number))
    assert header(letter, "reason") == "invalid_timestamp"
    source.wait_ready()
    assert len(source.pids("0")) == 1
    config = Config(kafka=Kafka(bootstrap_servers=kafka.bootstrap), source=Source(topic=topic.name))
    assert Redrive(config.kafka, dead.name, restore=RestoredEvents(config)).run().sent == 1
    (record,) = topic.read_raw(1)
    assert json.loads(record.value() or b"")["sequenceNumber"] == future.sequence_number
    assert record.timestamp()[1] < time.time() * 1000 + HOURS_MS


def test_a_record_that_kafka_refuses_takes_no_other_with_it(
    hub: Emulator, feeder: Feeder, topic: Topic, dead: Topic, configure: Configure
) -> None:
    """One from the future is behind good ones of the same key."""
    feeder.send("0", 10, devices=1)
    ahead_ms = int(time.time() * 1000) + 3 * HOURS_MS
    future = hub.send(feeder.device("0"), b"from the future", enqueued_at_ms=ahead_ms)
    configure().start()
    letter = dead.read_raw(1)[0]
    assert header(letter, "sequence-number") == str(future.sequence_number)
    topic.read(feeder.sent)
    topic.check(feeder.sent)


def header(letter: Record, name: str) -> str | None:
    """The last header `ingest-<name>`, as text."""
    found = dict(letter.headers() or []).get(f"ingest-{name}")
    return found.decode() if isinstance(found, bytes) else found
