"""A sink process ends in its time, whatever is frozen, and tells what it could not save."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ingest.sink.ending import end
from ingest.timing import Deadline


class Rig:
    """An end in which everything is done at once, unless told otherwise."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.frozen = threading.Event()
        self.child = SimpleNamespace(beat=lambda *_: None, unsaved=self.told.append)
        self.sender = SimpleNamespace(in_flight=0, close=lambda: None)
        self.dead_letters = SimpleNamespace(in_flight=0, join=lambda *_, **__: True)
        self.commands = SimpleNamespace(uncommitted=False, close=lambda _: None)
        self.closed: list[str] = []

    def end(self, seconds: float = 0.3) -> None:
        other: Any = SimpleNamespace(close=lambda: self.closed.append("other"))
        child, sender, dead_letters, commands = (
            cast(Any, each) for each in (self.child, self.sender, self.dead_letters, self.commands)
        )
        deadline = Deadline(seconds + 30)  # nobody waits for it
        end(child, Deadline(seconds), sender, lambda _: None, dead_letters, commands, [other])
        assert not deadline.expired


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.frozen.set()


def test_an_end_that_saves_everything_tells_nothing(rig: Rig) -> None:
    rig.end(seconds=30)
    assert rig.told == []
    assert rig.closed == ["other"]


def test_a_kafka_that_is_frozen_is_left_behind(rig: Rig) -> None:
    def close(_: float) -> None:
        rig.commands.uncommitted = True
        rig.frozen.wait()

    rig.commands.close = close
    rig.end()
    [told] = rig.told
    assert "offsets are not committed" in told
    assert rig.closed == []


def test_a_commit_that_fails_is_told(rig: Rig) -> None:
    rig.commands.uncommitted = True
    rig.end()
    assert "offsets are not committed" in rig.told[0]


def test_commands_and_dead_letters_without_an_answer_are_counted(rig: Rig) -> None:
    rig.sender.in_flight, rig.dead_letters.in_flight = 3, 2
    rig.end()
    assert [told.split(" are ")[0] for told in rig.told] == ["3 commands", "2 dead letters"]
    assert rig.closed == ["other"], "there was time left for it"
