"""The hub's daily quota is used up: sending pauses and says so, and nothing is lost."""

import os
import time
from pathlib import Path

import pytest

from tests.faults.sink_rig import SinkRig
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
DEVICES = [f"dev-{number}" for number in range(20)]
QUOTA = 100
RESTARTS = os.environ.get("QUOTA_RESTARTS", "1") == "1"
"""0: wait for the sink's own next try, a minute later, instead of starting it again."""


def test_the_daily_quota_is_used_up_and_renewed(kafka: KafkaCluster, tmp_path: Path) -> None:
    with SinkRig(tmp_path, kafka.bootstrap) as rig:
        rig.hub.c2d.set_daily_quota(QUOTA)
        rig.topics.send(DEVICES, 10)
        rig.sink.start()
        rig.wait_accepted(QUOTA)
        rig.sink.wait_unready("sink [01]: IoT Hub: com.microsoft:quota-exceeded: .*quota of 100")
        paused_at = time.monotonic()
        rig.hub.c2d.set_daily_quota(None)
        if RESTARTS:
            assert rig.sink.close() == 0
            assert rig.topics.lag() == len(DEVICES) * 10 - QUOTA
            rig.sink.start()
        received = rig.wait_received(seconds=120)
        seconds = time.monotonic() - paused_at
        rig.topics.wait_no_lag()
        rig.sink.wait_ready()
        assert received.repeats == 0
        assert rig.topics.dead_letters() == 0
        assert rig.sink.close() == 0
        print(f"{seconds:.0f} s after the quota was used up, all commands have arrived")
