"""What of Kafka is asked once for all partitions, and what again."""

from dataclasses import replace
from multiprocessing import Pipe

import pytest

from ingest.config import Config, Kafka
from ingest.config.cluster import Cluster
from ingest.process.child import Child, ProcessSpec
from ingest.source import preflight
from ingest.source.preflight import Topics, with_positions


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many partitions Kafka was asked for; it has eight."""
    wanted: list[int] = []

    def ask(kafka: Kafka, name: str, partitions: int, timeout: float) -> int:
        wanted.append(partitions)
        return 8

    monkeypatch.setattr(preflight, "check_position_topic", ask)
    return wanted


def child(config: Config) -> Child:
    return Child(ProcessSpec("source", "3", "", config), Pipe()[1])


def test_a_topic_of_positions_that_was_large_enough_is_not_looked_at_again(asked: list[int]) -> None:
    starting = child(Config(cluster=Cluster("kafka")))
    known = with_positions(starting, Topics(None, 1), ["0", "3"])
    assert known == Topics(None, 1, positions=8)
    assert asked == [4]
    assert with_positions(starting, known, ["7"]) == known
    assert asked == [4]
    with_positions(starting, replace(known, positions=2), ["3"])
    assert asked == [4, 4], "it can have been given more since"


def test_nobody_asks_for_a_topic_that_is_not_needed(asked: list[int]) -> None:
    assert with_positions(child(Config()), Topics(None, 1), ["3"]) == Topics(None, 1)
    assert asked == []
