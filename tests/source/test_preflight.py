"""What of Kafka is asked once for all partitions, and what again."""

from multiprocessing import Pipe

import pytest

from ingest.config import Config, Kafka, Source
from ingest.errors import Refused
from ingest.kafka.position_topic import Room
from ingest.process.child import Child, ProcessSpec
from ingest.source import preflight
from ingest.source.preflight import Topics, has_place, places

EXACTLY_ONCE = Config(source=Source(delivery="exactly_once"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """How many partitions Kafka was asked for, and whether the topic was to grow; it has eight."""
    wanted: list[tuple[int, bool]] = []

    def ask(kafka: Kafka, name: str, partitions: int, timeout: float, *, grows: bool) -> Room:
        wanted.append((partitions, grows))
        return Room(8, None if partitions <= 8 else f"topic {name!r} has 8 partitions")

    monkeypatch.setattr(preflight, "make_room", ask)
    return wanted


def test_a_topic_of_positions_that_was_large_enough_is_not_looked_at_again(asked: list[tuple[int, bool]]) -> None:
    child = Child(ProcessSpec("source", "3", "", EXACTLY_ONCE), Pipe()[1])
    assert has_place(child, Topics(None, 1, positions=8), "7")
    assert asked == []
    assert has_place(child, Topics(None, 1, positions=2), "3")
    assert asked == [(4, False)], "it can have been given more since"
    with pytest.raises(Refused, match="has 8 partitions"):
        has_place(child, Topics(None, 1, positions=8), "8")


def test_nobody_asks_for_a_topic_that_is_not_needed(asked: list[tuple[int, bool]]) -> None:
    assert places(Config(), ["3"]) == Room(0)
    assert places(EXACTLY_ONCE, ["0", "3"]) == Room(8)
    assert asked == [(4, True)]
