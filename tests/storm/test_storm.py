"""A short storm over a real service: each kind of loss that a process can meet, and an independent count.

`python -m tests.storm` is the long one, with brokers and a store that are struck, too.
"""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm.storm import Delivery, Settings, storm

pytestmark = [pytest.mark.services, pytest.mark.faults]
COUNTS = {
    "kill a partition process": 4,
    "kill all partition processes": 1,
    "kill the supervisor": 1,
    "freeze the node while another takes its place": 1,
    "connections are reset": 1,
    "links are detached": 1,
    "the hub refuses links": 1,
}


@pytest.mark.parametrize("delivery", get_args(Delivery))
def test_a_short_storm(
    kafka: KafkaCluster, blob: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str], delivery: Delivery
) -> None:
    short = Settings(events=30_000, seconds=8, devices=40, brokers=1, interval_seconds=0.5, counts=COUNTS, audits=False)
    settings = replace(short, delivery=delivery)
    result = storm(tmp_path, settings, kafka, blob)
    assert result["problems"] == []
    assert result["lost"] == result["out_of_order"] == 0
    assert result["zombies"] == result["supervisor_kills"] == 1
    with capsys.disabled():
        print(f"\n{result['events']} events {delivery} through a storm: 0 lost, {result['repeated']} repeated")
