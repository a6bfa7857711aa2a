"""Hub, source, Apache Kafka and Azurite, each in a process of its own, and kill -9 in between: nothing is lost."""

import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.emulator_process import emulator_process
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Topic
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
EVENTS = int(os.environ.get("EVENTS", "30000"))


def test_every_event_arrives_in_order_through_two_kills(
    kafka: KafkaCluster, blob: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A partition process is killed after a third of the events, the supervisor after two thirds."""
    with (
        emulator_process("--partitions", "4", "--devices", "40", "--events", str(EVENTS)) as hub,
        Topic(kafka.bootstrap, partitions=4) as topic,
        SourceProcess(tmp_path) as source,
    ):
        address = hub.told["event_hub_connection_string"]
        blobs = {"store": "blob", "blob_connection_string": blob.connection_string, "container": topic.name}
        basic = basic_config(tmp_path, address, kafka.bootstrap, topic.name)
        write_config(source.config, basic, {"checkpoints": blobs, "source": {"stall_seconds": 20}})
        sent = hub.sent()
        assert sum(sent.values()) == EVENTS
        source.start()
        topic.read_some(EVENTS // 3)
        os.kill(source.wait_pids("1", 1)[0], signal.SIGKILL)
        source.wait_said("source 1 ended: killed by SIGKILL")
        topic.read_some(2 * EVENTS // 3)
        source.kill()
        source.start()
        topic.read(sent, 300)
        topic.check(sent)
        source.wait_ready()
        assert source.close() == 0
        topic.poll(1.0)
    with capsys.disabled():
        print(f"\n{EVENTS} events through two kills: 0 missing, {topic.repeats} repeated")


def test_over_tls_with_the_raw_format_of_records(kafka: KafkaCluster, tmp_path: Path) -> None:
    with (
        emulator_process("--partitions", "2", "--devices", "4", "--events", "400") as hub,
        Topic(kafka.bootstrap) as topic,
        SourceProcess(tmp_path) as source,
    ):
        address = hub.told["event_hub_connection_string_tls"]
        basic = basic_config(tmp_path, address, kafka.bootstrap, topic.name)
        write_config(source.config, basic, {"hub": {"ca_file": hub.told["ca_file"]}, "source": {"format": "raw"}})
        source.start()
        records = topic.read_raw(400)
        assert {key.decode() for record in records if isinstance(key := record.key(), bytes)} == set(hub.sent())
        assert all(dict(record.headers() or [])["deviceId"] == record.key() for record in records)
        assert source.close() == 0
