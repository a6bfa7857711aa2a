from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.hub.position import BEFORE_FIRST, Position
from ingest.source.delivery.progress import Progress
from ingest.source.events.batch import Batch


class AgainstAModel(RuleBasedStateMachine):
    """The model: a list of every event, done or not; safe is the last event of the longest done prefix of batches."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = Progress()
        self.batches: list[Batch] = []
        self.model: list[list[bool]] = []
        self.seen: Position | None = None

    @rule(events=st.integers(1, 5))
    def receive(self, events: int) -> None:
        last = sum(len(batch) for batch in self.model) + events
        self.batches.append(Batch(Position(str(last), last), events))
        self.progress.add(self.batches[-1])
        self.model.append([False] * events)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        waiting = [(b, e) for b, batch in enumerate(self.model) for e, done in enumerate(batch) if not done]
        if waiting:
            batch, event = data.draw(st.sampled_from(waiting))
            self.model[batch][event] = True
            self.batches[batch].pending -= 1

    @invariant()
    def position_is_the_done_prefix(self) -> None:
        expected, last = None, 0
        for batch in self.model:
            last += len(batch)
            if not all(batch):
                break
            expected = Position(str(last), last)
        position = self.progress.advance()
        assert position == expected
        assert self.seen is None or position is not None
        if self.seen is not None and position is not None:
            assert position.sequence_number >= self.seen.sequence_number
        self.seen = position

    @invariant()
    def pending_is_what_is_not_done(self) -> None:
        self.progress.advance()
        assert self.progress.pending == sum(not done for batch in self.model for done in batch)


TestAgainstAModel = AgainstAModel.TestCase


@given(st.permutations(range(20)))
def test_any_order_of_acknowledgements_ends_at_the_last_event(order: list[int]) -> None:
    progress = Progress()
    batches = [Batch(Position(str(n), n), 1) for n in range(20)]
    for batch in batches:
        progress.add(batch)
    for n in order:
        batches[n].pending -= 1
        position = progress.advance()
        if position is not None:
            assert all(batch.pending == 0 for batch in batches[: position.sequence_number + 1])
    assert progress.advance() == Position("19", 19)


def test_a_place_between_two_numberings_is_safe_once_everything_before_it_is() -> None:
    progress = Progress()
    old, new = Batch(Position("990", 99), 1), Batch(Position("0", 0), 1)
    progress.add(old)
    progress.mark(BEFORE_FIRST)
    progress.add(new)
    assert progress.advance() is None
    new.pending = 0
    assert progress.advance() is None
    old.pending = 0
    assert progress.advance() == Position("0", 0)
    progress.mark(BEFORE_FIRST)
    assert progress.advance() == BEFORE_FIRST
