"""A node of several members: what it is told must be what its members hold."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.cluster.contract import Change
from ingest.cluster.holders import Holders
from ingest.cluster.share import Share

PARTITIONS = ("0", "1", "2")


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["gained", "lost", "stolen"]), st.sampled_from(PARTITIONS)))
)
def test_a_node_holds_what_a_member_was_given_last(story: list[tuple[int, str, str]]) -> None:
    """A member may be told late that a partition is not its own any more: after another has got it."""
    holders, share = Holders(), Share()
    given_to: dict[str, int] = {}
    for member, kind, partition in story:
        if kind == "gained":
            given_to[partition] = member
        elif given_to.get(partition) == member:
            del given_to[partition]
        for change in holders.take(member, Change(kind, (partition,))):  # type: ignore[arg-type]
            share.take(change)
    assert set(share.held) == given_to.keys()


def test_a_late_end_of_one_member_restarts_what_another_has_got() -> None:
    holders = Holders()
    holders.take(0, Change("gained", ("0", "1")))
    assert holders.take(1, Change("gained", ("1",))) == [Change("gained", ("1",))]
    assert holders.take(0, Change("stolen", ("0", "1"))) == [
        Change("stolen", ("0",)),
        Change("stolen", ("1",)),
        Change("gained", ("1",)),
    ]
    assert holders.take(1, Change("lost", ("1",))) == [Change("lost", ("1",))]
