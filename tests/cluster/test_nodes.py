"""Two nodes share a hub: one joins, one is killed, one leaves, and every event arrives."""

import json
from pathlib import Path

import pytest

from ingest.cli.main import main
from ingest.emulator import Emulator
from ingest.errors import EXIT_OK
from tests.cluster.nodes import Nodes
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import gone, wait_until
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]
PARTITIONS = 4
TAKEN_SECONDS = 30.0
"""Far above the 6 s of a session and the start of two processes."""


def seen_from(url: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The partitions of all nodes, as one of them names these; none while one of them does not answer."""
    capsys.readouterr()
    if main(["status", "--all", "--once", "--json", "--interval", "0.1", "--url", url]) != EXIT_OK:
        return []
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    return sorted(row["partition"] for node in nodes for row in node["partitions"] if row["up"])


def test_a_node_is_killed_and_another_leaves(
    tmp_path: Path, kafka: KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
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
        url = first.wait_said(r"(http://\S+)/metrics")[1]
        wait_until(lambda: seen_from(url, capsys) == ["0", "1", "2", "3"], "a node does not name all others")

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


def test_a_frozen_node_does_not_outlive_its_trial(tmp_path: Path, kafka: KafkaCluster) -> None:
    with (
        Emulator(partitions=PARTITIONS) as hub,
        Topic(kafka.bootstrap) as topic,
        Nodes(tmp_path, hub, kafka.bootstrap, topic.name) as nodes,
    ):
        node = nodes.add()
        node.wait_ready()
        node.freeze()
        left = node.descendants()
    assert left
    assert all(gone(pid, TAKEN_SECONDS) for pid in left)
