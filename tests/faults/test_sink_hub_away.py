"""The hub refuses the sink's links, or is not there: the sink says so, waits, and goes on when it can.

Apart from the other faults of the hub, because every lost link makes the next pause longer.
"""

from collections.abc import Iterator

import pytest

from tests.faults.sink_rig import SinkRig
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
DEVICES = [f"dev-{number}" for number in range(20)]
EACH = 10


@pytest.fixture(scope="module")
def rig(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinkRig]:
    with SinkRig(tmp_path_factory.mktemp("sink-hub-away"), kafka.bootstrap) as rig:
        rig.sink.start()
        rig.sink.wait_ready()
        rig.wait_shared()
        yield rig


def test_links_that_are_refused_are_told_with_their_condition(rig: SinkRig) -> None:
    rig.hub.faults.sends.refuse_service_link("amqp:internal-error", "Out of order on request.", count=None)
    rig.hub.faults.sends.detach_service_links()
    rig.sink.wait_unready("sink [01]: IoT Hub .*Out of order on request")
    rig.topics.send(DEVICES, EACH)
    rig.hub.faults.clear()
    rig.wait_received(DEVICES)
    rig.sink.wait_ready()


def test_a_hub_that_goes_away_and_comes_back(rig: SinkRig) -> None:
    rig.topics.send(DEVICES, 1)
    rig.wait_received(DEVICES)
    rig.stop_hub()
    rig.topics.send(DEVICES, EACH)
    rig.sink.wait_unready("sink 0: IoT Hub 127")
    rig.sink.wait_unready("sink 1: IoT Hub 127")
    assert rig.topics.lag() >= len(DEVICES) * EACH
    rig.replace_hub()
    rig.wait_received(DEVICES)
    rig.sink.wait_ready()
    assert len(rig.sink.pids("0", "sink")) == len(rig.sink.pids("1", "sink")) == 1
