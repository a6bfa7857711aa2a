from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.sink.intake.finished import Finished, Run, decode, encode
from ingest.sink.intake.offsets import OffsetTracker


class AgainstAModel(RuleBasedStateMachine):
    """The model: every record of a log that others write, and which of them are finished. Processes come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.prefix = OffsetTracker()
        self.log: dict[int, int] = {}
        """Offset → leader epoch."""
        self.next = 10
        self.epoch = 0
        self.at = 0
        """Where the process reads next."""
        self.finished: set[int] = set()
        self.open: set[int] = set()
        """Given to the process and not finished by it."""
        self.repeats = 0

    @rule(gaps=st.lists(st.integers(0, 3), min_size=1, max_size=30))
    def write(self, gaps: list[int]) -> None:
        for gap in gaps:
            self.log[self.next + gap] = self.epoch
            self.next += gap + 1

    @rule()
    def a_new_leader(self) -> None:
        self.epoch += 1

    @rule(lost=st.integers(1, 10))
    def the_log_is_cut_off_and_written_anew(self, lost: int) -> None:
        """Only behind what the process has read, and what is unread may be called finished."""
        cut = max(self.next - lost, self.at)
        for offset in [offset for offset in self.log if offset >= cut]:
            del self.log[offset]
            self.finished.discard(offset)
        self.next = cut
        self.epoch += 1

    @rule(count=st.integers(1, 40))
    def read(self, count: int) -> None:
        for offset in sorted(offset for offset in self.log if offset >= self.at)[:count]:
            self.at = offset + 1
            if self.prefix.add(offset, self.log[offset]):
                self.repeats += offset in self.finished
                self.finished.discard(offset)
                self.open.add(offset)
            else:
                assert offset in self.finished, "nothing unfinished is passed over"
        if not any(offset >= self.at for offset in self.log):
            self.prefix.reach(self.next)
            self.at = self.next

    @rule(data=st.data(), share=st.sampled_from([0.2, 0.9, 1.0]))
    def finish(self, data: st.DataObject, share: float) -> None:
        for offset in sorted(self.open):
            if data.draw(st.floats(0, 1)) <= share:
                self.open.remove(offset)
                self.finished.add(offset)
                self.prefix.finish(offset)

    @rule(limit=st.sampled_from([60, 3500, 3500]))
    def another_process_goes_on(self, limit: int) -> None:
        commit = self.prefix.commit
        if commit is None:
            return
        text = encode(commit, self.prefix.runs(), self.prefix.epoch, limit)
        found = decode(commit, text)
        assert found is not None
        self.prefix = OffsetTracker(commit, found)
        self.at = commit
        self.open.clear()

    @invariant()
    def commit_is_past_what_is_finished_without_a_gap(self) -> None:
        commit = self.prefix.commit
        assert self.prefix.unfinished == len(self.open)
        if commit is None:
            assert not self.open
            return
        assert commit == min(self.open, default=self.at)
        assert all(offset in self.finished for offset in self.log if offset < commit)
        runs = [*self.prefix.runs()]
        for run in runs:
            assert commit <= run.start < run.end
            assert not any(offset in self.open for offset in range(run.start, run.end))
        assert all(one.end < other.start for one, other in pairwise(runs))


TestAgainstAModel = AgainstAModel.TestCase


def test_what_overtook_a_held_command_costs_nothing() -> None:
    prefix = OffsetTracker()
    for offset in range(10_000):
        prefix.add(offset)
        if offset:
            prefix.finish(offset)
    assert (prefix.commit, prefix.unfinished, len(prefix._chunks)) == (0, 1, 1)
    assert [*prefix.runs()] == [Run(1, 10_000)]
    prefix.finish(0)
    assert (prefix.commit, prefix.unfinished, [*prefix.runs()]) == (10_000, 0, [])


def test_what_was_finished_behind_a_held_command_is_not_read_again() -> None:
    prefix = OffsetTracker(5, Finished([Run(6, 9), Run(20, 30)], None))
    assert [offset for offset in range(5, 25) if prefix.add(offset)] == [5, *range(9, 20)]
    assert [*prefix.runs()] == [Run(6, 9), Run(20, 30)], "what is not read yet stays finished"
    for offset in (5, *range(9, 20)):
        prefix.finish(offset)
    assert prefix.commit == 25
    assert [*prefix.runs()] == [Run(25, 30)]


def test_a_run_that_is_passed_to_its_end_is_none_any_more() -> None:
    prefix = OffsetTracker(5, Finished([Run(6, 9)], None))
    assert [offset for offset in range(5, 9) if prefix.add(offset)] == [5]
    assert [*prefix.runs()] == [Run(6, 9)]
    prefix.finish(5)
    assert (prefix.commit, [*prefix.runs()]) == (9, [])


def test_a_record_of_a_later_leader_was_never_finished() -> None:
    """An unclean election cut the log off; what stands at these offsets now is new."""
    finished = Finished([Run(6, 9)], epoch=3)
    assert not OffsetTracker(5, finished).add(6, 3)
    assert OffsetTracker(5, finished).add(6, 4)
    prefix = OffsetTracker(5, finished)
    assert prefix.add(5, 4)
    assert prefix.add(6, 4)


def test_nothing_behind_the_end_of_the_log_is_called_finished() -> None:
    prefix = OffsetTracker(5, Finished([Run(6, 9)], None))
    prefix.add(5)
    prefix.reach(6)
    assert prefix.add(6)


def test_the_end_is_reached_behind_records_that_are_not_there() -> None:
    prefix = OffsetTracker()
    prefix.add(0)
    prefix.reach(10)
    assert prefix.commit == 0
    prefix.finish(0)
    assert prefix.commit == 10
    empty = OffsetTracker()
    empty.reach(7)
    assert empty.commit == 7


def test_nothing_is_finished_twice() -> None:
    prefix = OffsetTracker()
    prefix.add(5)
    prefix.finish(5)
    with pytest.raises(KeyError):
        prefix.finish(5)
    with pytest.raises(KeyError):
        prefix.finish(5000)
