"""Two nodes share a hub: one joins, one is killed, one leaves, and every event arrives."""

from pathlib import Path

import pytest

from ingest.emulator import Emulator
from tests.cluster.nodes import Nodes
from tests.faults.telemetry import Feeder, Topic
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
PARTITIONS = 4
TAKEN_SECONDS = 30.0
"""Far above the 6 s of a session and the start of two processes."""


def test_a_node_is_killed_and_another_leaves(tmp_path: Path, kafka: KafkaCluster) -> None:
    session = {"kafka": {'librdkafka."session.timeout.ms"': 6000}}
    with (
        Emulator(partitions=PARTITIONS) as hub,
        Topic(kafka.bootstrap) as topic,
        Nodes(tmp_path, hub, kafka.bootstrap, topic.name, session) as nodes,
    ):
        feeder = Feeder(hub)

        def send() -> None:
            for partition in map(str, range(PARTITIONS)):
                feeder.send(partition, 500)

        first, second = nodes.add(), nodes.add()
        nodes.wait_shared(first, second)
        first.wait_ready()
        send()
        topic.read_some(100)
        assert first.readyz()[1].startswith("ok\n2 of 4 partitions")

        first.kill_all()
        send()
        nodes.wait_shared(second, seconds=TAKEN_SECONDS)
        topic.read(feeder.sent)

        first.start()
        nodes.wait_shared(first, second)
        send()
        assert second.close() == 0
        nodes.wait_shared(first)
        send()
        topic.read(feeder.sent)
        topic.check(feeder.sent)
        first.wait_ready()
        assert first.close() == 0
