"""As many partitions as an IoT Hub has: a process each, all of them receiving."""

import time
from pathlib import Path

import psutil
import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster

pytestmark = pytest.mark.services
PARTITIONS = 32


def test_32_partitions_all_receive(kafka: KafkaCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        Emulator(partitions=PARTITIONS) as hub,
        Topic(kafka.bootstrap, partitions=4) as topic,
        SourceProcess(tmp_path) as source,
    ):
        feeder = Feeder(hub)
        for partition in hub.hub.partitions:
            feeder.send(partition, 10)
        basic = basic_config(tmp_path, hub.endpoints.event_hub_connection_string, kafka.bootstrap, topic.name)
        write_config(source.config, basic, {"source": {"stall_seconds": 20}})
        began = time.monotonic()
        source.start()
        hub.wait_for(lambda stats: all(each.delivered for each in stats.partitions.values()), 120)
        seconds = time.monotonic() - began
        topic.read(feeder.sent)
        topic.check(feeder.sent)
        source.wait_ready()
        pids = [source.pids(partition) for partition in hub.hub.partitions]
        assert len({pid for (pid,) in pids}) == PARTITIONS, "a process was replaced"
        titles = {title(pid) for pid in source.descendants()}
        assert titles >= {f"ingest: source partition {partition}" for partition in hub.hub.partitions}
        assert "ingest: fork server" in titles
        unique = [psutil.Process(pid).memory_full_info().uss / (1 << 20) for (pid,) in pids]
        assert source.close() == 0
    with capsys.disabled():
        print(
            f"\n{PARTITIONS} partitions receive after {seconds:.1f} s, USS {min(unique):.1f} to {max(unique):.1f} MiB"
        )


def title(pid: int) -> str:
    """As ps(1) shows it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
