"""A hub that is given more partitions while ingest runs: they are found, and read from their oldest event."""

import os
import signal

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import Configure
from tests.faults.telemetry import Feeder, Topic

pytestmark = [pytest.mark.services, pytest.mark.faults]


def test_from_2_to_4_partitions(hub: Emulator, feeder: Feeder, topic: Topic, configure: Configure) -> None:
    """`start = "latest"` leaves out what is there at the start, and nothing of a partition that comes later: not the
    events that are there before it is found, and not after its process is killed."""
    source = configure({"source": {"start": "latest", "partitions_check_seconds": 1}})
    hub.send("too-early", b'{"counter": 1}')
    source.start()
    source.wait_ready()
    hub.wait_for(lambda stats: all(each.receivers for each in stats.partitions.values()), 60)
    for partition in ("0", "1"):
        feeder.send(partition, 100)
    topic.read(feeder.sent)
    before = [source.pids(partition) for partition in ("0", "1")]

    hub.add_partitions(2)
    for partition in ("2", "3"):
        feeder.send(partition, 500)
    source.wait_said("The hub was given more partitions, read from their oldest event: 2, 3")
    [killed] = source.wait_pids("3", 1)
    os.kill(killed, signal.SIGKILL)
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    source.wait_pids("3", 2)
    source.wait_ready()
    assert source.metric("process_up", role="source") == 4
    assert [source.pids(partition) for partition in ("0", "1")] == before, "nobody else was disturbed"

    hub.add_partitions(1)
    feeder.send("4", 50)
    source.wait_said("The hub was given more partitions, .*: 4")
    topic.read(feeder.sent)
    source.wait_ready()
    assert source.close() == 0
    topic.poll(1.0)
    topic.check(feeder.sent)
    assert "too-early" not in topic.counters
