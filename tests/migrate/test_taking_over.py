"""From Kafka's own Connect worker to `ingest run --connect` on the same files: in mid-stream, both ways, on Apache Kafka."""

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.commands import CommandTopics, Received
from tests.faults.ingest_process import IngestProcess, write_config
from tests.faults.telemetry import Topic
from tests.faults.waiting import wait_until
from tests.migrate.samples import SINK, SOURCE, WORKER, write
from tests.migrate.worker import OldWorker
from tests.services.kafka import KafkaCluster

DEVICES = [f"dev-{number}" for number in range(8)]
BEFORE, AFTER = 40, 10
"""Per device: what there is before the old worker stops somewhere in it, and what comes then."""
LAST = BEFORE + AFTER
MOVED, SENT = 60, 40
"""The old worker has moved so many events and sent so many commands, or a few more, when it is stopped."""
PARTITIONS = 4
STRING = "org.apache.kafka.connect.storage.StringConverter"
COUNTED = re.compile(rb'deviceId[=":]+([\w-]+).*counter\\*":(\d+)')
"""Of a record's value as text or as JSON."""
Counters = Mapping[str, list[int]]
pytestmark = pytest.mark.services


@pytest.fixture
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=PARTITIONS, c2d=True) as hub:
        hub.c2d.auto_complete()
        yield hub


def send(hub: Emulator, folder: Path, first: int, last: int) -> None:
    """Counted telemetry of all devices; what the stand-in reads is in the folder, which is new."""
    folder.mkdir()
    for partition in hub.hub.partitions:
        (folder / partition).touch()
    for counter in range(first, last + 1):
        for device in DEVICES:
            content = json.dumps({"counter": counter}, separators=(",", ":"))
            position, partition = hub.send(device, content.encode()), hub.partition_of(device)
            line = (position.offset, position.sequence_number, 1_700_000_000_000 + counter, device, content)
            with (folder / partition).open("a") as file:
                file.write("\t".join(map(str, line)) + "\n")


def sent_by_the_old_worker(folder: Path) -> dict[str, list[int]]:
    counters = defaultdict(list)
    if (folder / "sent").exists():
        for line in (folder / "sent").read_text().splitlines():
            command = json.loads(line)
            counters[command["deviceId"]].append(int(command["message"]))
    return counters


def size(counters: Counters) -> int:
    return sum(map(len, counters.values()))


def counted(topic: Topic) -> dict[str, list[int]]:
    counters = defaultdict(list)
    for record in topic.letters:
        found = COUNTED.search(record.value() or b"")
        assert found is not None, record.value()
        counters[found[1].decode()].append(int(found[2]))
    return counters


def arrived(topic: Topic) -> int:
    topic.read_more(0.1)
    return len(topic.letters)


class Files:
    """The three files of the old connector, for a hub and topics of this test."""

    def __init__(self, hub: Emulator, kafka: KafkaCluster, telemetry: str, commands: str, events: Path) -> None:
        parts = dict(part.split("=", 1) for part in hub.endpoints.event_hub_connection_string_5671.split(";"))
        self.worker = {**WORKER, "bootstrap.servers": kafka.bootstrap, "consumer.max.poll.records": "10"}
        stand_in = {"stand.in.folder": str(events)}
        self.source = {
            **SOURCE,
            **stand_in,
            "Kafka.Topic": telemetry,
            "IotHub.EventHubCompatibleName": parts["EntityPath"],
            "IotHub.EventHubCompatibleEndpoint": parts["Endpoint"],
            "IotHub.AccessKeyName": parts["SharedAccessKeyName"],
            "IotHub.AccessKeyValue": parts["SharedAccessKey"],
            "IotHub.Partitions": str(PARTITIONS),
        }
        self.sink = {
            **SINK,
            **stand_in,
            "name": commands,
            "topics": commands,
            "IotHub.ConnectionString": hub.endpoints.iot_hub_connection_string,
            "value.converter": STRING,
        }

    def standalone(self, worker: OldWorker, folder: Path) -> list[Path]:
        """Starts it; returns its files. As in the how-to, its records are text."""
        self.worker |= {**worker.settings, "offset.storage.file.filename": str(folder / "connect.offsets")}
        named = {
            "connect-standalone": self.worker,
            "connect-iothub-source": self.source,
            "connect-iothub-sink": self.sink,
        }
        files = [write(folder / f"{name}.properties", properties) for name, properties in named.items()]
        worker.start_standalone(files)
        return files

    def distributed(self, worker: OldWorker, folder: Path) -> list[Path]:
        """Likewise, without a sink; its records are JSON with their schema, and its positions are in a topic."""
        del self.worker["offset.storage.file.filename"]
        cluster = f"connect-{uuid.uuid4().hex}"
        self.worker |= {**worker.settings, "group.id": cluster, "scheduled.rebalance.max.delay.ms": "0"}
        self.worker["value.converter"] = "org.apache.kafka.connect.json.JsonConverter"
        for what in ("offset", "config", "status"):
            self.worker |= {f"{what}.storage.topic": f"{cluster}-{what}", f"{what}.storage.replication.factor": "1"}
        self.worker |= {"offset.storage.partitions": "3", "status.storage.partitions": "1"}
        files = [write(folder / "connect-distributed.properties", self.worker)]
        files.append(folder / "connect-iothub-source.json")
        files[-1].write_text(json.dumps({"name": self.source["name"], "config": self.source}))
        worker.start_distributed(files[0], files[1:])
        return files


@pytest.mark.parametrize("kind", ["standalone", "distributed"])
def test_nothing_is_lost_and_nothing_repeated(kind: str, hub: Emulator, kafka: KafkaCluster, tmp_path: Path) -> None:
    events = tmp_path / "events"
    with (
        Topic(kafka.bootstrap) as telemetry,
        Topic(kafka.bootstrap, name=f"{telemetry.name}.dead"),
        CommandTopics(kafka.bootstrap) as commands,
    ):
        has_sink = kind == "standalone"
        send(hub, events, 1, BEFORE)
        commands.send(DEVICES, BEFORE * has_sink)
        files = Files(hub, kafka, telemetry.name, commands.name, events)
        with OldWorker() as worker:
            start = files.standalone if has_sink else files.distributed
            paths = start(worker, tmp_path)
            wait_until(
                lambda: arrived(telemetry) >= MOVED and size(sent_by_the_old_worker(events)) >= SENT * has_sink,
                worker.story,
            )
            worker.stop()
        telemetry.read_to_end()
        moved, done = len(telemetry.letters), sent_by_the_old_worker(events)
        total = len(DEVICES) * LAST
        assert MOVED <= moved < len(DEVICES) * BEFORE, "it was stopped on its way"
        assert SENT * has_sink <= size(done) < len(DEVICES) * BEFORE
        send(hub, tmp_path / "later", BEFORE + 1, LAST)
        commands.send(DEVICES, AFTER * has_sink)
        write_config(
            tmp_path / "ingest.toml",
            {
                "hub": {"ca_file": hub.endpoints.ca_file},
                "checkpoints": {"path": str(tmp_path / "positions")},
                "sink": {"sends_per_second": 1_000},
                "metrics": {"port": 0},
                "service": {"log_format": "json", "shutdown_seconds": 20},
            },
        )

        def received() -> Counters:
            return dict(Received(hub.c2d.consumed()).counters)

        with IngestProcess(tmp_path, "run", "--connect", *map(str, paths)) as process:
            process.start()
            wait_until(
                lambda: arrived(telemetry) >= total and size(received()) + size(done) >= total * has_sink,
                lambda: process.story(f"{len(telemetry.letters)} of {total} events, {received()}"),
            )
            assert process.close() == 0
        telemetry.read_to_end()
        print(f"{kind}: {moved} of {total} events by the old worker, {total - moved} by ours, none lost, none repeated")
        every = list(range(1, LAST + 1))
        # Without keys, the events of a device are in no order across the topic's partitions.
        assert {device: sorted(counters) for device, counters in counted(telemetry).items()} == dict.fromkeys(
            DEVICES, every
        )
        assert {device: done[device] + received().get(device, []) for device in DEVICES} == dict.fromkeys(
            DEVICES, every * has_sink
        )
