"""The whole life of two nodes under a real systemd; left out, aloud, where no machine can be booted."""

import pytest

from tests.services.kafka import KafkaCluster
from tests.systemd.live.log import Log
from tests.systemd.live.story import Story


@pytest.mark.boots
def test_two_nodes_from_a_bare_machine_to_an_uninstalled_one(kafka: KafkaCluster) -> None:
    with Story(kafka.bootstrap, Log()) as story:
        story.tell()
