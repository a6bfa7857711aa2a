"""What the one-shot children ask, and what they make of the answers."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from ingest.config import Checkpoints, Config, Hub, SchemaRegistry, Secret
from ingest.config.cluster import Cluster
from ingest.emulator import Emulator
from ingest.errors import ConfigError, Refused, Unreachable
from ingest.hub import event_hubs
from ingest.kafka.position_topic import Room
from ingest.process.child import Child, ProcessSpec
from ingest.source import discover, preflight
from ingest.source.preflight import Topics
from tests.config.samples import EVENT_HUB
from tests.kafka.toy_registry import ToyRegistry
from tests.source.readers import Reader, configured


class Asking(Child):
    """A child that keeps what it hands up."""

    def __init__(self, config: Config, **facts: object) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("discover", "0", "", config, facts), pipe)
        self.results: list[Any] = []

    def result(self, value: Any) -> None:
        self.results.append(value)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(hub=Hub(Secret(EVENT_HUB)), checkpoints=Checkpoints(store="file", path=tmp_path))


def asked(config: Config, **facts: object) -> dict[str, Any]:
    child = Asking(config, **facts)
    discover.look_again(child)
    [result] = child.results
    return dict(result)


def test_what_the_hub_has_been_given_since(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what new partitions must know of Kafka, which is asked for nothing while there are none."""
    topics: list[Topics] = []
    monkeypatch.setattr(discover, "check_topics", lambda _: topics[0])
    config = configured(emulator, "fast")
    assert asked(config, known=["0"]) == {"partitions": ["0"], "topics": None, "no_place": None}
    emulator.add_partitions(2)
    topics.append(Topics(1_000, 4))
    assert asked(config, known=["0"]) == {"partitions": ["0", "1", "2"], "topics": Topics(1_000, 4), "no_place": None}


def test_a_kafka_that_is_away_holds_no_new_partition_up(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Config) -> Topics:
        raise Unreachable("Kafka at kafka:9092 is away")

    monkeypatch.setattr(event_hubs, "partition_ids", lambda _: ["0"])
    monkeypatch.setattr(discover, "check_topics", away)
    assert asked(config, known=[]) == {"partitions": ["0"], "topics": None, "no_place": None}


def test_the_topic_of_positions_grows_with_the_hub_or_it_is_told(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[tuple[int, bool]] = []

    def make_room(_: object, name: str, places: int, seconds: float, *, grows: bool) -> Room:
        wanted.append((places, grows))
        return Room(places) if len(wanted) == 1 else Room(2, f"topic {name!r} has 2 partitions")

    monkeypatch.setattr(event_hubs, "partition_ids", lambda _: ["0", "1", "2"])
    monkeypatch.setattr(discover, "check_topics", lambda _: Topics(1_000, 4))
    monkeypatch.setattr(preflight, "make_room", make_room)
    config = replace(config, cluster=Cluster("kafka"))
    assert asked(config, known=["0", "1", "2"])["no_place"] is None
    assert wanted == []
    assert asked(config, known=["0", "1"])["no_place"] is None
    assert asked(config, known=[])["no_place"] == "topic 'ingest-positions' has 2 partitions"
    assert wanted == [(3, True)] * 2


@pytest.mark.parametrize("error", [Unreachable("hub h: connection lost"), Refused("no"), ConfigError([])])
def test_a_hub_that_does_not_tell_is_trouble_and_no_death(
    config: Config, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def ask(_: Config) -> list[str]:
        raise error

    monkeypatch.setattr(event_hubs, "partition_ids", ask)
    assert asked(config) == {"trouble": str(error)}


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    over = threading.Event()

    def ask(_: Config) -> list[str]:
        over.wait()
        return []

    monkeypatch.setattr(event_hubs, "partition_ids", ask)
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
    monkeypatch.setattr(event_hubs, "describe", lambda _: event_hubs.Description(["0", "1", "0"], 0))
    monkeypatch.setattr(discover, "check_topics", lambda _: Topics(None, 1))
    child = Asking(config)
    discover.run(child)
    assert [result["partitions"] for result in child.results] == [["0", "1"]]


def test_a_hub_that_names_none_is_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hubs, "describe", lambda _: event_hubs.Description([], 0))
    with pytest.raises(Unreachable, match=r"names no partitions"):
        discover._partitions(config)


@pytest.mark.parametrize("trial", [True, False])
def test_a_trial_asks_to_be_let_read_and_disturbs_nobody(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trial: bool
) -> None:
    """At a start, the partitions' own processes ask for the consumer group."""
    monkeypatch.setattr(discover, "check_topics", lambda _: Topics(None, 1))
    config = replace(configured(emulator, "fast"), checkpoints=Checkpoints(store="file", path=tmp_path))
    reader = Reader(config)
    try:
        reader.until(lambda: reader.receiver.attaches == 1)
        child = Asking(config, trial=trial)
        discover.run(child)
        assert [result["partitions"] for result in child.results] == [["0"]]
        nobody = Asking(replace(config, source=replace(config.source, consumer_group="nobody")), trial=trial)
        if trial:
            with pytest.raises(Refused, match="consumer group nobody, partition 0"):
                discover.run(nobody)
        else:
            discover.run(nobody)
        reader.receiver.poll(0.1)
        assert reader.receiver.attaches == 1, "the reader had to attach again"
    finally:
        reader.receiver.close()


def test_the_schema_registry_is_asked_once_for_all_partitions(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discover, "check_topics", lambda _: Topics(None, 1))
    with ToyRegistry() as toy:
        config = configured(emulator, "fast")
        config = replace(
            config,
            source=replace(config.source, format="connect-avro"),
            kafka=replace(config.kafka, schema_registry=SchemaRegistry(toy.url)),
            checkpoints=Checkpoints(store="file", path=tmp_path),
        )
        child = Asking(config)
        discover.run(child)
        assert child.results[0]["topics"] == Topics(None, 1, schema_id=100)
        toy.answers[f"/subjects/{config.source.topic}-value/versions"] = (401, b"{}")
        with pytest.raises(Refused, match="correct user and password"):
            discover.run(Asking(config))
