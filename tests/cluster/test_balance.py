"""The rule of claims, against blobs with ETags, in simulated time: nodes come, leave, crash, and all look at their own moment."""

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.cluster.balance import Ownership, active, claims
from ingest.cluster.blob_group import AGAIN_SECONDS

INTERVAL, EXPIRY, OPERATION = 15.0, 60.0, 0.012


class World:
    """Partitions' blobs, and nodes that do what `BlobGroup` does, one storage operation after the other."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.partitions = [str(number) for number in range(partitions)]
        self.blobs: dict[str, tuple[str, int, float]] = {}
        """Partition → owner, ETag, when it was written."""
        self.now = 0.0
        self.moves = 0
        self.living: set[str] = set()
        self._rng = Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, do))

    def join(self, node: str, at: float) -> None:
        def begin() -> None:
            self.living.add(node)
            self._tick(node)

        self.at(at, begin)

    def crash(self, node: str) -> None:
        self.living.discard(node)

    def leave(self, node: str) -> None:
        self.crash(node)
        for partition in self.owned(node):
            self.blobs[partition] = ("", self.blobs[partition][1] + 1, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self.now = end

    def owned(self, node: str) -> list[str]:
        return [partition for partition, (owner, _, _) in self.blobs.items() if owner == node]

    @property
    def counts(self) -> list[int]:
        return sorted(len(self.owned(node)) for node in self.living)

    @property
    def balanced(self) -> bool:
        return sum(self.counts) == len(self.partitions) and self.counts[-1] - self.counts[0] <= 1

    def _tick(self, node: str) -> None:
        if node not in self.living:
            return
        found = {p: Ownership(owner, self.now - at, str(etag)) for p, (owner, etag, at) in self.blobs.items()}
        moment, too_late = self.now + OPERATION, list[str]()
        mine = [p for p, ownership in found.items() if ownership.owner == node]
        for partition in [*mine, *claims(node, self.partitions, found, EXPIRY, self._rng)]:
            etag = found[partition].etag if partition in found else ""
            self.at(moment, lambda p=partition, e=etag: self._claim(node, p, e, too_late))  # type: ignore[misc]
            moment += OPERATION
        self.at(moment, lambda: self._wait(node, INTERVAL if not too_late else AGAIN_SECONDS))

    def _wait(self, node: str, seconds: float) -> None:
        self.at(self.now + seconds * (1 + 0.2 * self._rng.random()), lambda: self._tick(node))

    def _claim(self, node: str, partition: str, etag: str, too_late: list[str]) -> None:
        owner, present, _ = self.blobs.get(partition, ("", "", 0.0))
        if node in self.living and str(present) == etag:
            self.moves += owner not in ("", node) and owner in self.living
            self.blobs[partition] = (node, int(present or 0) + 1, self.now)
        else:
            too_late.append(partition)


@settings(max_examples=40)
@given(nodes=st.integers(1, 6), partitions=st.integers(1, 32), seed=st.integers(0, 999))
def test_all_partitions_are_shared_evenly_and_stay_where_they_are(nodes: int, partitions: int, seed: int) -> None:
    world = World(partitions, seed)
    for node in range(nodes):
        world.join(f"n{node}", world._rng.random() * 20)
    world.run(150)
    assert world.balanced, world.counts
    moves = world.moves
    world.run(600)
    assert world.moves == moves, "what is shared evenly stays where it is"


@settings(max_examples=30)
@given(nodes=st.integers(2, 5), seed=st.integers(0, 999), what=st.sampled_from(["crash", "leave", "join"]))
def test_a_change_is_taken_up_within_the_promise(nodes: int, seed: int, what: str) -> None:
    world = World(32, seed)
    for node in range(nodes):
        world.join(f"n{node}", world._rng.random() * 5)
    world.run(150)
    world.moves = 0
    if what == "crash":
        world.crash("n0")
    elif what == "leave":
        world.leave("n0")
    else:
        world.join("new", world.now)
    world.run({"crash": EXPIRY + INTERVAL * 1.2, "leave": INTERVAL * 1.2, "join": INTERVAL}[what] + 3)
    assert sum(world.counts) == 32
    assert world.moves <= 32 // nodes
    world.run(3 * INTERVAL)
    assert world.balanced, world.counts


def test_one_of_another_language_that_takes_one_at_a_time_is_left_its_share() -> None:
    """A Python processor keeps fewer than its share for a while: it is not robbed, and what it has stays its own."""
    rng = Random(1)
    found = {str(n): Ownership("py" if n < 3 else "me", 1.0) for n in range(8)}
    assert claims("me", [str(n) for n in range(8)], found, EXPIRY, rng) == []
    assert Counter(each.owner for each in found.values())["py"] == 3


@pytest.mark.parametrize(("age", "free"), [(EXPIRY, False), (EXPIRY + 1, True)])
def test_what_is_not_renewed_is_nobody_s(age: float, free: bool) -> None:
    found = {"0": Ownership("other", age)}
    assert ("other" in active("me", found, EXPIRY)) is not free
    assert claims("me", ["0"], found, EXPIRY, Random(1)) == (["0"] if free else [])
