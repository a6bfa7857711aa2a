import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.sink.prefix import Prefix


class AgainstAModel(RuleBasedStateMachine):
    """The model: every offset that was read, finished or not."""

    def __init__(self) -> None:
        super().__init__()
        self.prefix = Prefix()
        self.model: dict[int, bool] = {}
        self.seen = -1

    @rule(gap=st.integers(0, 3))
    def read(self, gap: int) -> None:
        offset = max(self.model, default=10) + 1 + gap
        self.prefix.add(offset)
        self.model[offset] = False

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        unfinished = [offset for offset, finished in self.model.items() if not finished]
        if unfinished:
            offset = data.draw(st.sampled_from(unfinished))
            self.model[offset] = True
            self.prefix.finish(offset)

    @invariant()
    def commit_is_past_what_is_finished_without_a_gap(self) -> None:
        commit = self.prefix.commit
        if not self.model:
            assert commit is None
            return
        assert commit is not None
        unfinished = [offset for offset, finished in self.model.items() if not finished]
        assert commit == (min(unfinished) if unfinished else max(self.model) + 1)
        assert commit >= self.seen
        assert self.prefix.unfinished == len(unfinished)
        self.seen = commit


TestAgainstAModel = AgainstAModel.TestCase


def test_what_overtook_a_held_command_costs_nothing() -> None:
    prefix = Prefix()
    for offset in range(10_000):
        prefix.add(offset)
        if offset:
            prefix.finish(offset)
    assert (prefix.commit, prefix.unfinished) == (0, 1)
    prefix.finish(0)
    assert (prefix.commit, prefix.unfinished) == (10_000, 0)


def test_nothing_is_finished_twice() -> None:
    prefix = Prefix()
    prefix.add(5)
    prefix.finish(5)
    with pytest.raises(KeyError):
        prefix.finish(5)
