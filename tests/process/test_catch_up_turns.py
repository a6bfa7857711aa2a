"""Turns: never too many at a time, and everybody's comes."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.process.catch_up_turns import LOST_SECONDS, CatchUpScheduler


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_first_come_first_served() -> None:
    turns: CatchUpScheduler[str] = CatchUpScheduler(2, clock=Clock())
    for who in "abcd":
        turns.want(who)
    turns.want("c")  # asked twice
    assert turns.begin() == ["a", "b"]
    assert turns.begin() == []
    turns.want("b")  # again: its turn is over
    assert turns.begin() == ["c"]
    turns.done("a")
    assert turns.begin() == ["d"]
    turns.done("c")
    assert turns.begin() == ["b"]


def test_who_has_ended_is_waited_for_no_longer() -> None:
    turns: CatchUpScheduler[str] = CatchUpScheduler(1, clock=Clock())
    for who in "ab":
        turns.want(who)
    turns.done("a")
    assert turns.begin() == ["b"]


def test_who_does_not_end_its_turn_holds_up_the_others_for_a_while_only() -> None:
    clock = Clock()
    turns: CatchUpScheduler[str] = CatchUpScheduler(1, clock=clock)
    turns.want("frozen")
    turns.want("b")
    assert turns.begin() == ["frozen"]
    clock.now = LOST_SECONDS * 0.9
    assert turns.begin() == []
    clock.now = LOST_SECONDS
    assert turns.begin() == ["b"]
    turns.done("frozen")  # at last
    turns.want("frozen")
    assert turns.begin() == []


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["want", "done", "wait"]), st.integers(0, 7)), max_size=60),
)
def test_never_more_than_so_many_and_nobody_waits_for_ever(most: int, steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    turns: CatchUpScheduler[int] = CatchUpScheduler(most, clock=clock)
    holders: dict[int, float] = {}
    waiting: set[int] = set()

    def begin() -> None:
        for who in turns.begin():
            assert who in waiting
            waiting.discard(who)
            holders[who] = clock.now
        for who in [who for who, since in holders.items() if clock.now - since >= LOST_SECONDS]:
            del holders[who]
        assert len(holders) <= most
        assert len(holders) == most or not waiting

    for step, who in steps:
        if step == "wait":
            clock.now += 0.3
        else:
            holders.pop(who, None)
            waiting.discard(who)
            getattr(turns, step)(who)
            if step == "want":
                waiting.add(who)
        begin()
    for who in range(8):
        holders.pop(who, None)
        if who not in waiting:
            turns.done(who)
        begin()
    for _ in range(8):
        clock.now += LOST_SECONDS
        begin()
    assert not waiting
