"""Two hubs on one Kafka cluster whose sinks were given the same group and topics: no hub gets commands of the other's devices."""

import shutil
from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.faults.ingest_process import IngestProcess, write_config
from tests.faults.sink_rig import SinkRig, own_address
from tests.faults.waiting import wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
DEVICES = [f"dev-{number}" for number in range(8)]
NAMED = r"the consumer group '{group}' has a sink of another hub, 127\.\S+ \(on \S+\)"


def test_of_two_hubs_in_one_group_one_waits_and_says_so(tmp_path: Path, kafka: KafkaCluster) -> None:
    (tmp_path / "other").mkdir()
    quick = {"kafka.librdkafka": {'"session.timeout.ms"': "6000"}}
    with (
        SinkRig(tmp_path / "own", kafka.bootstrap, quick, known_devices=DEVICES) as rig,
        Emulator(partitions=2, c2d_host=own_address(1), known_devices=()) as hub,
        IngestProcess(tmp_path / "other", "sink") as other,
    ):
        ca_file = shutil.copy(hub.endpoints.ca_file, tmp_path / "other" / "ca.pem")
        address = {"iot_hub_connection_string": hub.endpoints.iot_hub_connection_string, "ca_file": str(ca_file)}
        write_config(other.config, rig.basic_config(), quick, {"hub": address})
        both = {rig.sink: other, other: rig.sink}
        for sink in both:  # at once: neither sees the other before it joins
            sink.start()
        other_hub = NAMED.format(group=rig.topics.name)
        # Both may be ready for a moment, as long as neither has seen the other.
        [(works, waits)] = wait_until(
            lambda: [pair for pair in both.items() if pair[0].readyz()[0] == 200 and pair[1].unready(other_hub)],
            lambda: rig.sink.story("not one that works and one that waits"),
        )
        if works is other:
            works.close()
            works, waits = waits, works
            works.wait_ready()
            waits.start()
            waits.wait_unready(other_hub)
        rig.topics.send(DEVICES, 5)
        rig.wait_once()
        rig.topics.wait_no_lag()
        assert rig.topics.dead_letters() == 0
        assert works.close() == 0
        waits.wait_ready()
