"""How many nodes send commands, and what becomes of the pace."""

import time
from pathlib import Path

import pytest

from ingest.cluster.members import Members
from ingest.config import Config, Sink
from ingest.config.cluster import Cluster
from ingest.service.roles import all_directions
from ingest.service.sink_share import Place, SinkShare, senders
from ingest.sink.pacing.rate import HEADROOM
from ingest.sink.pacing.shared_rate import SharedRate
from ingest.timing import Deadline

CONFIG = Config(cluster=Cluster("kafka"), sink=Sink(sends_per_second=100.0))
ONE = "ingest/a/127.0.0.1:1"
OTHER = "ingest/a/127.0.0.1:2"


@pytest.mark.parametrize(
    ("members", "nodes"),
    [
        ({}, 1),
        ({f"{ONE}/sink-0": [("iotout", 0)], f"{ONE}/sink-1": [("iotout", 1)]}, 1),
        ({f"{ONE}/sink-0": [("iotout", 0)], f"{OTHER}/sink-0": [("iotout", 1)]}, 2),
        ({f"{ONE}/sink-0": [("iotout", 0)], f"{OTHER}/sink-0": []}, 1),
        ({f"{ONE}/sink-0": [("iotout", 0)], "a-program-of-others": [("iotout", 1)]}, 2),
    ],
)
def test_nodes_that_hold_partitions_count(members: Members, nodes: int) -> None:
    assert senders(members) == nodes


class Look:
    def __init__(self) -> None:
        self.members: Members | None = None
        self.asks = False

    def start(self) -> None:
        self.asks = True

    def close(self) -> None:
        self.asks = False


def test_the_pace_is_divided_among_the_nodes_and_comes_back() -> None:
    look, places = Look(), list[Place]()

    def opened(place: Place) -> Look:
        places.append(place)
        return look

    share = SinkShare(opened)
    sink = all_directions()["sink"]
    path = Path(sink.shared(CONFIG)["budget"])
    assert sink.divide is not None
    for members, rate in (
        (None, 100),
        ({f"{ONE}/sink-0": [("t", 0)], f"{OTHER}/sink-0": [("t", 1)]}, 50),
        ({f"{ONE}/sink-0": [("t", 0), ("t", 1)]}, 100),
    ):
        look.members = members
        sink.divide(CONFIG, share.nodes(CONFIG))
        worker = SharedRate(path)
        worker.take(0)
        assert worker.rate == pytest.approx(rate * HEADROOM)
        worker.close()
    assert places == [Place(CONFIG.kafka, CONFIG.sink.group_id)]
    assert look.asks
    assert share.nodes(Config()) == 1
    assert not look.asks


def test_a_node_alone_asks_nobody() -> None:
    assert SinkShare(lambda _: pytest.fail("it asks")).nodes(Config()) == 1


def test_what_the_hub_was_seen_to_take_stays_the_same_part() -> None:
    sink = all_directions()["sink"]
    path = Path(sink.shared(CONFIG)["budget"])
    worker = SharedRate(path)
    deadline = Deadline(60)
    for _ in range(20):
        worker.answered(time.monotonic(), throttled=True)
    while worker.rate > 99 and not deadline.expired:
        worker.take(0)
    before = worker.rate
    assert sink.divide is not None
    sink.divide(CONFIG, 2)
    worker.take(0)
    assert worker.rate == pytest.approx(before / 2, rel=0.05)
    worker.close()
