"""The document at /status.json, as the recorder makes it from a registry."""

import json
from typing import Any

from hypothesis import given

from ingest.metrics import catalogue as m
from ingest.metrics.bottleneck import PARTS
from ingest.metrics.cluster import CLUSTER_MEMBERS, CLUSTER_OWNED
from ingest.metrics.registry import Registry
from ingest.metrics.status.document import About
from ingest.metrics.status.recorder import Recorder
from ingest.recent_warnings import Warned
from tests.metrics.status.test_rows import loaded, pages

NOW = 1_700_000_000.0


class Node:
    """A recorder whose clock the test moves."""

    def __init__(self, registry: Registry) -> None:
        self.at = 0.0
        self.about = About("edge1", "1.0", NOW)
        self.healthy = True
        self.unready: list[str] = []
        self.note: str | None = None
        self.warned: list[Warned] = []
        self.recorder = Recorder(
            registry,
            about=lambda: self.about,
            healthy=lambda: self.healthy,
            unready=lambda: self.unready,
            note=lambda: self.note,
            warned=lambda: self.warned,
            clock=lambda: self.at,
            unix=lambda: NOW + self.at,
        )

    def shown(self, seconds: float = 5.0) -> dict[str, Any]:
        """The document after the next sample."""
        self.at += seconds
        self.recorder.sample()
        found: dict[str, Any] = json.loads(self.recorder.json()[1])
        return found


def test_it_says_what_the_node_does_and_has_done() -> None:
    registry = loaded()
    node = Node(registry)
    node.shown()
    registry.add(m.SOURCE_EVENTS, 50, "2")
    node.shown()
    registry.add(m.SOURCE_EVENTS, 150, "2")
    shown = node.shown()
    assert (shown["version"], shown["node"], shown["time"], shown["state"]) == (1, "edge1", NOW + 15, "ready")
    assert [row["partition"] for row in shown["partitions"]] == ["2", "10"]
    assert shown["partitions"][0]["events_per_second"] == 20, "over two samples"
    assert shown["history"]["source_events_per_second"] == [None, 10, 30]
    assert shown["history"]["time"] == [NOW + 5, NOW + 10, NOW + 15]
    assert shown["dead_letters"] == {"source": {"a_new_reason": 1, "too_large": 2}, "sink": {}}
    assert shown["limited_by"].startswith("telemetry: ")


def test_the_document_is_the_same_bytes_until_the_next_sample() -> None:
    registry = loaded()
    node = Node(registry)
    first = node.recorder.json()
    registry.set(m.SOURCE_LAG_EVENTS, 5, "2")
    again = node.recorder.json()
    assert again[0] == first[0]
    assert again[1] is first[1]
    node.recorder.sample()
    assert node.recorder.json()[0] != first[0]
    assert json.loads(node.recorder.json()[1])["partitions"][0]["lag_events"] == 5


def test_the_state_is_the_worst_that_is_true() -> None:
    node = Node(Registry())
    node.unready = ["starting"]
    assert node.shown()["state"] == "starting"
    node.unready = ["source 0: Kafka is away\x1b"]
    shown = node.shown()
    assert (shown["state"], shown["unready"]) == ("not_ready", ["source 0: Kafka is away\\x1b"])
    node.about = About(stopping=True)
    assert node.shown()["state"] == "stopping"
    node.healthy = False
    assert node.shown()["state"] == "stuck"


def test_shares_are_means_over_a_role_s_processes_and_text_of_others_is_printable() -> None:
    registry = loaded()
    for slot, kafka in (("2", 0.9), ("10", 0.5)):
        for part in PARTS:
            registry.set(m.BOTTLENECK, kafka if part == "kafka_queue" else 0.0, "source", slot, part)
    node = Node(registry)
    node.note = "the reload was refused:\nno such topic"
    node.warned = [Warned(NOW, "warning", "source-2", "slow", 3)]
    shown = node.shown()
    assert shown["bottleneck"]["source"]["kafka_queue"] == 0.7
    assert shown["note"] == "the reload was refused:\\nno such topic"
    assert shown["warnings"] == [
        {"time": NOW, "level": "warning", "process": "source-2", "message": "slow", "times": 3}
    ]


def test_a_node_alone_tells_of_no_cluster() -> None:
    registry = Registry()
    node = Node(registry)
    assert node.shown()["cluster"] is None
    node.about = About(cluster={"nodes": [{"node": "edge2", "url": "http://edge2:9464"}]})
    assert node.shown()["cluster"]["nodes"][0]["node"] == "edge2"
    registry.set(CLUSTER_MEMBERS, 3, "ingest")
    registry.set(CLUSTER_OWNED, 11, "ingest")
    cluster = node.shown()["cluster"]
    assert (cluster["group"], cluster["members"], cluster["partitions_owned"]) == ("ingest", 3, 11)


@given(pages())
def test_whatever_a_registry_has_is_a_document_of_numbers(registries: tuple[Registry, Registry]) -> None:
    node = Node(registries[1])
    node.shown()
    shown = node.shown()
    json.dumps(shown, allow_nan=False)
    assert {len(each) for each in shown["history"].values()} == {2}
