"""kill -9 of sink processes and of their supervisor, and SIGTERM: every command arrives, repeats under the same id."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sink_rig import SinkRig
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
DEVICES = [f"dev-{number}" for number in range(40)]
EACH = 20


@pytest.fixture
def rig(tmp_path: Path, kafka: KafkaCluster) -> Iterator[SinkRig]:
    # A dead process's partitions go to the other one soon.
    quick = {"kafka.librdkafka": {'"session.timeout.ms"': "6000"}}
    with SinkRig(tmp_path, kafka.bootstrap, {"sink": {"sends_per_second": 300}}, quick) as rig:
        rig.topics.send(DEVICES, EACH)
        rig.sink.start()
        rig.wait_accepted(100)
        yield rig


def test_kill_9_of_a_sink_process(rig: SinkRig) -> None:
    os.kill(rig.sink.wait_pids("0", 1, "sink")[0], signal.SIGKILL)
    rig.sink.wait_said("sink 0 ended: killed by SIGKILL")
    rig.sink.wait_pids("0", 2, "sink")
    finish(rig)
    assert len(rig.sink.pids("1", "sink")) == 1
    assert rig.sink.metric("process_restarts_total", role="sink", slot="0") == 1
    assert rig.sink.close() == 0


def test_kill_9_of_the_supervisor(rig: SinkRig) -> None:
    rig.sink.kill()
    rig.sink.start()
    finish(rig)
    assert rig.sink.close() == 0


def test_sigterm_drains_and_the_next_start_repeats_nothing(rig: SinkRig) -> None:
    assert rig.sink.close() == 0
    accepted_before = rig.hub.stats().c2d.accepted
    total = len(DEVICES) * EACH
    assert 100 <= accepted_before < total
    assert rig.topics.lag() == total - accepted_before
    rig.sink.start()
    rig.wait_received()
    rig.topics.wait_no_lag()
    assert rig.received().repeats == 0


def finish(rig: SinkRig) -> None:
    received = rig.wait_received()
    rig.topics.wait_no_lag()
    assert rig.topics.dead_letters() == 0
    rig.sink.wait_ready()
    print(f"{received.repeats} repeats")
