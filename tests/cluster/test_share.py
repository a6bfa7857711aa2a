"""The rules by which processes of partitions begin and end, against a group that gives and takes at random."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.cluster.contract import Change
from ingest.cluster.share import Share

PARTITIONS = tuple(str(number) for number in range(4))
WHICH = st.sets(st.sampled_from(PARTITIONS), min_size=1)


class World:
    """One node: its processes as the supervisor has them, and what the group has told it."""

    def __init__(self) -> None:
        self.share = Share()
        self.running: set[str] = set()
        self.ending: set[str] = set()
        self.held: set[str] = set()
        self.lost: set[str] = set()
        self.stolen: set[str] = set()
        """Partitions with a process of before they were stolen."""

    def tell(self, kind: str, partitions: set[str]) -> None:
        """As a group does: what is lost or stolen was this node's, what is gained was not."""
        if kind == "gained":
            partitions -= self.held | self.lost
            self.held |= partitions
        else:
            partitions &= self.held
            self.held -= partitions
            if kind == "lost":
                self.lost |= partitions
            else:
                self.stolen |= partitions & (self.running | self.ending)
        self.share.take(Change(kind, tuple(partitions)))  # type: ignore[arg-type]

    def obey(self) -> None:
        processes = self.running | self.ending
        orders = self.share.orders(self.running, self.ending)
        assert set(orders.start) == self.held - processes, "one process at a time, for what is this node's"
        assert set(orders.release) == self.lost - processes, (
            "let go of when nothing reads it any more, and at once then"
        )
        assert set(orders.retire) == self.lost & self.running
        assert set(orders.kill) == (processes - self.held - self.lost) | self.stolen
        self.lost -= set(orders.release)
        self.running = (self.running - set(orders.retire) - set(orders.kill)) | set(orders.start)
        self.ending |= {*orders.retire, *orders.kill}

    def end(self, partitions: set[str]) -> None:
        """Processes that were told to end do so."""
        self.ending -= partitions
        self.stolen -= partitions


@given(st.lists(st.tuples(st.sampled_from(("gained", "lost", "stolen", "end")), WHICH), max_size=30))
def test_processes_follow_what_the_group_says(steps: list[tuple[str, set[str]]]) -> None:
    world = World()
    for step, partitions in steps:
        if step == "end":
            world.end(set(partitions))
        else:
            world.tell(step, set(partitions))
        world.obey()
        assert world.share.owned == world.held | world.lost
    world.end(set(PARTITIONS))
    world.obey()
    world.end(set(PARTITIONS))
    world.obey()
    assert world.running == world.held
    assert not world.ending
    assert not world.lost


def test_orders_are_by_number() -> None:
    share = Share()
    share.take(Change("gained", ("10", "9", "2")))
    assert share.orders(set(), set()).start == share.held == ["2", "9", "10"]
