"""The count behind the hand-over tests notices what a reader does wrong. Readers and log are made up."""

from collections.abc import Callable, Sequence

import pytest

from tests.interop.chain import Chain
from tests.interop.reader import Event, Positions

PARTITIONS = ("0", "1")


class _Log:
    """The hub and its checkpoints in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[str]] = {partition: [] for partition in PARTITIONS}
        self.positions: dict[str, int] = {}

    def send(self, partition: str, bodies: Sequence[str]) -> None:
        self.bodies[partition] += bodies


class _Reader:
    """Handles everything at once, checkpoints all but the last `uncovered` events, and then a whole stop's."""

    name = "fake"

    def __init__(
        self, log: _Log, *, begins: int = 1, uncovered: int = 3, leaves_out: int | None = None, stops_well: bool = True
    ) -> None:
        """`begins`: how far behind the checkpoint; 1 is right."""
        self._log = log
        self._begins = begins
        self._uncovered = uncovered
        self._leaves_out = leaves_out
        self._stops_well = stops_well
        self._from: dict[str, int] = {}

    def start(self) -> None:
        self._from = {each: max(0, self._log.positions.get(each, -1) + self._begins) for each in PARTITIONS}

    def seen(self) -> list[Event]:
        return [
            Event(partition, number, self._log.bodies[partition][number])
            for partition in PARTITIONS
            for number in range(self._from[partition], len(self._log.bodies[partition]))
            if number != self._leaves_out
        ]

    def positions(self) -> Positions:
        self._log.positions = {each: len(self._log.bodies[each]) - 1 - self._uncovered for each in PARTITIONS}
        return self._log.positions

    def wait_until(self, ready: Callable[[], bool]) -> None:
        assert ready(), "it would wait for ever"

    def stop(self) -> None:
        if self._stops_well:
            self._uncovered = 0
        self.positions()

    def kill(self) -> None:
        self.positions()


@pytest.fixture
def log() -> _Log:
    return _Log()


@pytest.fixture
def chain(log: _Log) -> Chain:
    return Chain(PARTITIONS, log.send)


def test_good_readers_are_counted(chain: Chain, log: _Log) -> None:
    chain.stop(_Reader(log))
    chain.kill(_Reader(log))
    chain.stop(_Reader(log))
    assert chain.lost() == []
    story = chain.story()
    assert "sent 226, lost 0" in story
    assert "fake: 84 events, 0 repeats, stopped" in story
    assert "fake: 90 events, 6 repeats, stopped" in story


def test_a_successor_that_repeats_what_a_checkpoint_covers(chain: Chain, log: _Log) -> None:
    chain.kill(_Reader(log))
    with pytest.raises(AssertionError, match="checkpoints covered 2 of these repeats"):
        chain.stop(_Reader(log, begins=0))


def test_a_successor_that_leaves_out_what_no_checkpoint_covers(chain: Chain, log: _Log) -> None:
    chain.stop(_Reader(log))
    with pytest.raises(AssertionError, match="it would wait for ever"):
        chain.stop(_Reader(log, begins=2))


def test_a_reader_that_skips_one_event_that_its_predecessor_had_handled(chain: Chain, log: _Log) -> None:
    """Nothing is lost this time, and would be the next."""
    chain.kill(_Reader(log))
    with pytest.raises(AssertionError, match=r"fake: \[26, 28, "):
        chain.stop(_Reader(log, leaves_out=27))


def test_a_stop_without_the_last_checkpoints(chain: Chain, log: _Log) -> None:
    with pytest.raises(AssertionError, match="fake has stopped without its last checkpoints"):
        chain.stop(_Reader(log, stops_well=False))
