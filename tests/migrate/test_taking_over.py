"""From the old connector's worker to `ingest run --connect`, in mid-stream and both ways, on Apache Kafka."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ingest.emulator import Emulator
from ingest.migrate.positions import Owner
from tests.faults.commands import PARTITIONS, CommandTopics, Received
from tests.faults.ingest_process import IngestProcess, write_config
from tests.faults.telemetry import Topic
from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.migrate.samples import SINK, SOURCE, WORKER, write
from tests.migrate.test_positions import entry
from tests.services.kafka import KafkaCluster

DEVICES = [f"dev-{number}" for number in range(8)]
BEFORE, AFTER = 12, 18
"""Per device: what the old connector has moved, and what comes after it."""
OWNER = Owner("AzureIotHubConnector", "iothub-ehub-emulator")
pytestmark = pytest.mark.services


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=4, c2d=True) as hub:
        hub.c2d.auto_complete()
        yield hub


def send(hub: Emulator, first: int, last: int) -> dict[str, str]:
    """Counted telemetry of all devices; returns partition → offset of its last event."""
    offsets: dict[str, str] = {}
    for counter in range(first, last + 1):
        for device in DEVICES:
            position = hub.send(device, b'{"counter":%d}' % counter)
            offsets[hub.partition_of(device)] = position.offset or ""
    return offsets


def save_as_a_distributed_worker(bootstrap: str, topic: str, *offsets: dict[str, str | None]) -> None:
    """One flush after the other, as to a topic that is not compacted yet."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for flush in offsets:
        for partition, offset in flush.items():
            key, value = entry(partition, offset, OWNER)
            producer.produce(topic, value, key)
    assert producer.flush(PATIENCE_SECONDS) == 0


def commit_ends(bootstrap: str, topic: str, group: str) -> None:
    """What is in the topic is done, says the group of the old sink."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    ends = [
        TopicPartition(topic, place.partition, consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)[1])
        for place in places
    ]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()


def files_of_the_old_connector(
    folder: Path, hub: Emulator, bootstrap: str, *, saved: str, telemetry: str, commands: str
) -> list[Path]:
    """The distributed worker's, the source's, the sink's, which has the name of its topic; the others are topics."""
    parts = dict(part.split("=", 1) for part in hub.endpoints.event_hub_connection_string_5671.split(";"))
    worker = {
        **{name: value for name, value in WORKER.items() if not name.startswith("offset.")},
        "bootstrap.servers": bootstrap,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.topic": saved,
    }
    source = {
        **SOURCE,
        "Kafka.Topic": telemetry,
        "IotHub.EventHubCompatibleName": parts["EntityPath"],
        "IotHub.EventHubCompatibleEndpoint": parts["Endpoint"],
        "IotHub.AccessKeyName": parts["SharedAccessKeyName"],
        "IotHub.AccessKeyValue": parts["SharedAccessKey"],
    }
    connection = hub.endpoints.iot_hub_connection_string
    sink = {**SINK, "name": commands, "topics": commands, "IotHub.ConnectionString": connection}
    named = {"connect-distributed": worker, "connect-iothub-source": source, "connect-iothub-sink": sink}
    return [write(folder / f"{name}.properties", properties) for name, properties in named.items()]


def test_nothing_is_lost_and_nothing_repeated(hub: Emulator, kafka: KafkaCluster, tmp_path: Path) -> None:
    bootstrap = kafka.bootstrap
    with (
        Topic(bootstrap) as telemetry,
        Topic(bootstrap, name=f"{telemetry.name}.dead"),
        Topic(bootstrap, partitions=5) as saved,
        CommandTopics(bootstrap) as commands,
    ):
        # The old connector at work, up to here.
        earlier, done = send(hub, 1, BEFORE - 1), send(hub, BEFORE, BEFORE)
        save_as_a_distributed_worker(bootstrap, saved.name, {**earlier}, {"17": "1"}, {"17": None}, {**done})
        commands.send(DEVICES, BEFORE)
        commit_ends(bootstrap, commands.name, f"connect-{commands.name}")
        files = files_of_the_old_connector(
            tmp_path, hub, bootstrap, saved=saved.name, telemetry=telemetry.name, commands=commands.name
        )
        write_config(
            tmp_path / "ingest.toml",
            {
                "hub": {"ca_file": hub.endpoints.ca_file},
                "checkpoints": {"path": str(tmp_path / "positions")},
                "sink": {"sends_per_second": 500},
                "metrics": {"port": 0},
                "service": {"log_format": "json", "shutdown_seconds": 20},
            },
        )
        send(hub, BEFORE + 1, AFTER)
        commands.send(DEVICES, AFTER - BEFORE)
        wanted = {device: list(range(BEFORE + 1, AFTER + 1)) for device in DEVICES}

        def received() -> dict[str, list[int]]:
            return dict(Received(hub.c2d.consumed()).counters)

        with IngestProcess(tmp_path, "run", "--connect", *map(str, files)) as process:
            process.start()
            telemetry.read_some(len(DEVICES) * (AFTER - BEFORE))
            wait_until(
                lambda: sum(map(len, received().values())) >= len(DEVICES) * (AFTER - BEFORE),
                lambda: process.story("commands are missing"),
            )
            told = {
                message for message in process.messages() if " goes on after the old connector's offset " in message
            }
            assert len(told) == len(done)
            assert process.close() == 0
        telemetry.poll(1.0)
        # Without keys, the events of a device are in no order across the topic's partitions.
        assert {device: sorted(counters) for device, counters in telemetry.counters.items()} == wanted
        assert received() == wanted
