from collections.abc import Sequence
from multiprocessing import Pipe

import pytest

from ingest.config import Config
from ingest.hub.partition_look import Attempt
from ingest.process.child import Child, ProcessSpec
from ingest.source import stand_by as module
from ingest.source.stand_by import stand_by


class Waiting(Child):
    def __init__(self) -> None:
        self._supervisor, pipe = Pipe()
        super().__init__(ProcessSpec("source", "3", "", Config()), pipe)
        self.said: set[tuple[bool, str]] = set()

    def wait(self, seconds: float) -> None: ...

    def beat(self, ready: bool, detail: str) -> None:
        self.said.add((ready, detail))


@pytest.mark.parametrize("end", ["", "unauthorized"])
def test_it_lasts_while_the_hub_says_that_another_has_the_partition_or_nothing(end: str) -> None:
    answers = ["stolen", "silent", "connection_lost", "too_many_readers", end]
    asked: list[Sequence[str]] = []

    def look(config: Config, partitions: Sequence[str]) -> list[Attempt]:
        asked.append(partitions)
        return [Attempt("3", answers[len(asked) - 1])]

    child = Waiting()
    stand_by(child, "fenced", look)
    assert asked == [["3"]] * 5
    [(ready, detail)] = child.said
    assert not ready
    assert "another process has partition 3" in detail


def test_a_stop_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Waiting()

    def look(config: Config, partitions: Sequence[str]) -> list[Attempt]:
        child.stop(1)
        return [Attempt("3", "stolen")]

    monkeypatch.setattr(module, "LOOK_SECONDS", 0)
    stand_by(child, "fenced", look)
    assert child.stopping
