"""A fault of the cluster is not a fault of the records: they are held back, and delivered when it is mended."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from ingest.emulator import Emulator
from tests.faults.conftest import Configure
from tests.faults.telemetry import Feeder, Topic
from tests.faults.test_dead_letters import HOURS_MS, header
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]


@pytest.fixture
def dead(kafka: KafkaCluster, topic: Topic) -> Iterator[Topic]:
    with Topic(kafka.bootstrap, partitions=1, name=f"{topic.name}.dead") as dead:
        yield dead


def set_topic(kafka: KafkaCluster, topic: Topic, name: str, value: str) -> None:
    change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[change])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(30)


def test_brokers_whose_clocks_are_behind_cost_no_dead_letter(
    hub: Emulator, feeder: Feeder, kafka: KafkaCluster, topic: Topic, dead: Topic, configure: Configure
) -> None:
    ahead_ms = int(time.time() * 1000) + 3 * HOURS_MS
    devices = [feeder.device("0", number) for number in range(6)]
    for number in range(60):
        hub.send(devices[number % 6], b"%d" % number, enqueued_at_ms=ahead_ms + number)
    source = configure()
    source.start()
    source.wait_unready("Invalid timestamp")
    source.wait_metric("source_held_back", 1, partition="0", reason="refused")
    assert source.metric("source_records_acked_total", partition="0") == 0
    set_topic(kafka, topic, "message.timestamp.after.max.ms", str(1 << 62))
    source.wait_metric("source_records_acked_total", 60, partition="0")
    source.wait_ready()
    topic.read_raw(60)
    topic.read_more(1.0)
    records = topic.letters
    numbers: dict[bytes | str | None, list[int]] = defaultdict(list)
    for record in records:
        value = record.value()
        assert value is not None
        numbers[record.key()].append(int(json.loads(value)["content"]))
    # Mended between the tries of two records of a device, the second comes twice.
    last = [sorted(set(each), key=lambda number: -each[::-1].index(number)) for each in numbers.values()]
    assert sorted(last) == [list(range(first, 60, 6)) for first in range(6)]
    assert len(source.pids("0")) == 1
    assert source.metric("source_held_back", partition="0", reason="refused") == 0
    assert source.close() == 0
    dead.read_more(1.0)
    assert dead.distinct == 0


def test_a_client_s_limit_above_the_topic_s_stops_nothing(
    hub: Emulator, feeder: Feeder, kafka: KafkaCluster, topic: Topic, dead: Topic, configure: Configure
) -> None:
    """Whole batches are refused, whose records differ in nothing but headers, which delivery reports do not have."""
    set_topic(kafka, topic, "max.message.bytes", "2000")
    device = feeder.device("0")
    large, small = os.urandom(2_000).hex().encode(), os.urandom(100).hex().encode()
    sent = [hub.send(device, large if number % 13 == 7 else small).sequence_number for number in range(52)]
    source = configure({"kafka.librdkafka": {'"message.max.bytes"': "1000000"}, "source": {"format": "raw"}})
    source.start()
    letters = dead.read_raw(4)
    assert [header(letter, "reason") for letter in letters] == ["too_large"] * 4
    assert [int(header(letter, "sequence-number") or -1) for letter in letters] == sent[7::13]
    records = topic.read_raw(48)
    found = [int(dict(record.headers() or [])["sequenceNumber"] or -1) for record in records]
    assert found == [sequence for number, sequence in enumerate(sent) if number % 13 != 7]
    source.wait_ready()
    assert len(source.pids("0")) == 1
