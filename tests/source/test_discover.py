"""What the one-shot children ask, against the emulator and librdkafka's mock cluster."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from ingest.child import Child, Task
from ingest.config import Checkpoints, Config, Kafka
from ingest.emulator import Emulator
from ingest.errors import ConfigError, Refused, Unreachable
from ingest.kafka.mock import MockCluster
from ingest.source import discover, hub
from ingest.source.readiness import Topics
from tests.source.readers import configured


class Asking(Child):
    """A child that keeps what it hands up."""

    def __init__(self, config: Config, **facts: object) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(Task("discover", "0", "", config, facts), pipe)
        self.results: list[Any] = []

    def result(self, value: Any) -> None:
        self.results.append(value)


@pytest.fixture
def config(emulator: Emulator, cluster: MockCluster, tmp_path: Path) -> Config:
    return replace(
        configured(emulator, "fast"),
        kafka=Kafka(bootstrap_servers=cluster.bootstrap),
        checkpoints=Checkpoints(store="file", path=tmp_path),
    )


def asked(config: Config, **facts: object) -> dict[str, Any]:
    child = Asking(config, **facts)
    discover.look_again(child)
    [result] = child.results
    return dict(result)


def test_partitions_that_are_all_known_cost_one_question(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(_: Config) -> Topics:
        raise AssertionError("Kafka is asked for nothing")

    monkeypatch.setattr(discover, "look_at_topics", unwanted)
    assert asked(config, known=["0"]) == {"partitions": ["0"], "topics": None}


def test_new_ones_come_with_what_they_must_know_of_kafka(
    config: Config, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discover, "look_at_topics", lambda _: Topics(1_000, 4))
    emulator.add_partitions(2)
    assert asked(config, known=["0"]) == {"partitions": ["0", "1", "2"], "topics": Topics(1_000, 4)}


def test_a_kafka_that_is_away_holds_no_new_partition_up(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Config) -> Topics:
        raise Unreachable("Kafka at kafka:9092 is away")

    monkeypatch.setattr(discover, "look_at_topics", away)
    assert asked(config, known=[]) == {"partitions": ["0"], "topics": None}


@pytest.mark.parametrize("error", [Unreachable("hub h: connection lost"), Refused("no"), ConfigError([])])
def test_a_hub_that_does_not_tell_is_trouble_and_no_death(
    config: Config, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def ask(_: Config) -> list[str]:
        raise error

    monkeypatch.setattr(hub, "partition_ids", ask)
    assert asked(config) == {"trouble": str(error)}


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    over = threading.Event()

    def ask(_: Config) -> list[str]:
        over.wait()
        return []

    monkeypatch.setattr(hub, "partition_ids", ask)
    yield
    over.set()


@pytest.mark.usefixtures("silent_hub")
def test_a_hub_that_never_answers_is_left_behind_in_time(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "ANSWER_SECONDS", 0.5)
    assert asked(config) == {"trouble": "no answer within 0.5 s"}


@pytest.mark.usefixtures("silent_hub")
def test_a_stop_ends_the_question(config: Config) -> None:
    child = Asking(config)
    child.stop(1)
    discover.look_again(child)
    assert child.results == []


def test_ids_that_a_hub_names_twice_are_one_partition(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "partition_ids", lambda _: ["0", "1", "0"])
    monkeypatch.setattr(discover, "look_at_topics", lambda _: Topics(None, 1))
    child = Asking(config)
    discover.run(child)
    assert [result["partitions"] for result in child.results] == [["0", "1"]]


def test_a_hub_that_names_none_is_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "partition_ids", lambda _: [])
    with pytest.raises(Unreachable, match=r"names no partitions"):
        discover._partitions(config)
