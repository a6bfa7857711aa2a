"""Behind which position everything comes again, whatever is committed before."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.position import BEFORE_FIRST, Position
from ingest.source.delivery.unfinished import Unfinished


def at(number: int) -> Position:
    return Position(f"{number}0", number)


@given(
    old=st.integers(0, 20),
    new=st.integers(0, 20),
    cuts=st.lists(st.integers(1, 41), max_size=8, unique=True).map(sorted),
)
def test_it_is_the_last_one_of_the_numbering_that_the_hub_has(old: int, new: int, cuts: list[int]) -> None:
    """`old` events of one numbering and `new` ones of another are taken; those up to each of `cuts` are committed."""
    unfinished = Unfinished()
    unfinished.add(old)
    unfinished.renumbered(BEFORE_FIRST)
    unfinished.add(new)
    positions = [*(at(1_000 + number) for number in range(old)), *(at(number) for number in range(new))]
    position, done = None, 0
    for cut in (cut for cut in cuts if cut <= len(positions)):
        position = positions[cut - 1]
        unfinished.committed(cut - done, position)
        done = cut
    assert unfinished.forget(position) == (position if done > old else BEFORE_FIRST)
    assert unfinished.forget(position) == position


def test_a_commit_of_the_new_numbering_itself_counts() -> None:
    unfinished = Unfinished()
    unfinished.add(2)
    unfinished.renumbered(BEFORE_FIRST)
    unfinished.committed(2, BEFORE_FIRST)
    assert unfinished.forget(at(5)) == at(5)
