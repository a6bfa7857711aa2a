"""A link that is up and silent while the hub holds more: found, told, and its process replaced."""

from collections.abc import Callable

import pytest

from ingest.emulator import Emulator
from tests.faults.conftest import both_transports
from tests.faults.source_process import SourceProcess
from tests.faults.telemetry import Feeder, Topic

pytestmark = [pytest.mark.services, pytest.mark.faults]


@both_transports
@pytest.mark.parametrize(
    "strike",
    [lambda hub: hub.faults.starve(partition="0"), lambda hub: hub.faults.pause("0")],
    ids=["credit without deliveries", "paused partition"],
)
def test_a_silent_partition_gets_a_new_process(
    hub: Emulator, feeder: Feeder, topic: Topic, source: SourceProcess, strike: Callable[[Emulator], None]
) -> None:
    feeder.send("0", 100)
    feeder.send("1", 100)
    topic.read(feeder.sent)
    strike(hub)
    feeder.send("0", 100)
    feeder.send("1", 100)
    source.wait_metric("source_stalls_total", 1, partition="0")
    source.wait_said("source 0 ended: stalled: the hub holds newer events of partition 0 and sends none")
    hub.faults.clear()
    topic.read(feeder.sent)
    topic.check(feeder.sent)
    assert source.metric("process_restarts_total", role="source", slot="0") >= 1
    assert source.metric("source_stalls_total", partition="1") == 0
    assert len(source.pids("1")) == 1
    source.wait_ready()


def test_a_partition_that_has_nothing_to_say_is_left_alone(feeder: Feeder, topic: Topic, source: SourceProcess) -> None:
    """The watch asks the hub about partition 1, which is silent and may be, while partition 0 is busy."""
    feeder.send("1", 10)
    topic.read(feeder.sent)
    source.wait_metric("source_lag_events", 0, partition="1")
    for _ in range(8):
        feeder.send("0", 10)
        topic.read(feeder.sent)
        topic.poll(1.0)
    assert source.metric("source_stalls_total") == 0
    assert len(source.pids("0")) == len(source.pids("1")) == 1
    assert topic.repeats == 0
