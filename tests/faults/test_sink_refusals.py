"""A hub that does not let the sink in ends the program with exit code 69 and a sentence."""

from pathlib import Path

import pytest

from tests.faults.ingest_process import write_config
from tests.faults.sink_rig import SinkRig
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
WRONG_KEY = "d3JvbmcgYXMgaXQgY2FuIGJlIG9mIHRoaXMgbGVuZ3Ro"


@pytest.mark.parametrize("wrong", ["key", "policy"])
def test_a_hub_that_does_not_know_us(kafka: KafkaCluster, tmp_path: Path, wrong: str) -> None:
    with SinkRig(tmp_path, kafka.bootstrap) as rig:
        address = rig.hub.endpoints.iot_hub_connection_string
        if wrong == "key":
            refused = address.replace(rig.hub.keys.service, WRONG_KEY)
        else:
            refused = address.replace("SharedAccessKeyName=service", "SharedAccessKeyName=disabled")
        assert refused != address
        write_config(rig.sink.config, rig.basic_config(), {"hub": {"iot_hub_connection_string": refused}})
        rig.topics.send(["dev"], 3)
        rig.sink.start()
        assert rig.sink.join(30) == 69
        assert rig.sink.said("Cannot start: .*IoT Hub 127.*(?i:unauthorized|token|401)"), rig.sink.story("no sentence")
        assert rig.sink.said(WRONG_KEY) is None, "the key is in the log"
        assert rig.topics.lag() == 3
        assert rig.topics.dead_letters() == 0
