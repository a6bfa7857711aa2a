"""The rule of claims, against blobs with ETags, in simulated time: nodes come, leave, crash, and all look at their own moment."""

import heapq
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.cluster.balance import Ownership, active, claims
from ingest.cluster.blob_group import AGAIN_SECONDS, EXPIRY_SECONDS, GLANCE_SECONDS, INTERVAL_SECONDS
from ingest.cluster.node import member_name

INTERVAL, EXPIRY, OPERATION = INTERVAL_SECONDS, EXPIRY_SECONDS, 0.012


class World:
    """Partitions' blobs, and nodes that do what `BlobGroup` does, one storage operation after the other."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.partitions = [str(number) for number in range(partitions)]
        self.blobs: dict[str, tuple[str, int, float]] = {}
        """Partition → owner, ETag, when it was written."""
        self.now = 0.0
        self.moves = 0
        self.living: dict[str, tuple[str, ...]] = {}
        """Node → the owners that it is, as many as its weight."""
        self._rng = Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, do))

    def join(self, node: str, at: float, weight: int = 1) -> None:
        def begin() -> None:
            self.living[node] = tuple(member_name(node, number) for number in range(weight))
            self._look(node, self.now)

        self.at(at, begin)

    def crash(self, node: str) -> None:
        self.living.pop(node, None)

    def leave(self, node: str) -> None:
        for partition in [each for owner in self.living[node] for each in self.owned(owner)]:
            self.blobs[partition] = ("", self.blobs[partition][1] + 1, self.now)
        self.crash(node)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self.now = end

    def owned(self, owner: str) -> list[str]:
        return [partition for partition, (each, _, _) in self.blobs.items() if each == owner]

    @property
    def counts(self) -> list[int]:
        """Of each owner."""
        return sorted(len(self.owned(owner)) for owners in self.living.values() for owner in owners)

    @property
    def balanced(self) -> bool:
        return sum(self.counts) == len(self.partitions) and self.counts[-1] - self.counts[0] <= 1

    def _look(self, node: str, due: float) -> None:
        if node not in self.living:
            return
        owners, glance = self.living[node], self.now < due
        found = {p: Ownership(owner, self.now - at, str(etag)) for p, (owner, etag, at) in self.blobs.items()}
        wanted = {} if glance else {p: each.owner for p, each in found.items() if each.owner in owners}
        tags = {p: each.etag for p, each in found.items()}
        for owner in owners:
            for partition in claims(
                owner, self.partitions, found, EXPIRY, self._rng, fellows=owners, steals=not glance
            ):
                wanted[partition] = owner
                found[partition] = Ownership(owner, 0.0)
        moment, too_late = self.now + OPERATION, list[str]()
        for partition, owner in wanted.items():
            self.at(moment, partial(self._claim, node, partition, owner, tags.get(partition, ""), too_late))
            moment += OPERATION
        self.at(moment, partial(self._rest, node, due if glance else None, too_late))

    def _rest(self, node: str, due: float | None, too_late: list[str]) -> None:
        spread = 1 + 0.2 * self._rng.random()
        if too_late:
            due = self.now + spread * AGAIN_SECONDS
        elif due is None:
            due = self.now + spread * INTERVAL
        self.at(min(due, self.now + GLANCE_SECONDS / spread), partial(self._look, node, due))

    def _claim(self, node: str, partition: str, owner: str, etag: str, too_late: list[str]) -> None:
        before, present, _ = self.blobs.get(partition, ("", "", 0.0))
        mine = self.living.get(node, ())
        if mine and str(present) == etag:
            self.moves += before not in ("", *mine) and any(before in each for each in self.living.values())
            self.blobs[partition] = (owner, int(present or 0) + 1, self.now)
        else:
            too_late.append(partition)


@settings(max_examples=40)
@given(
    weights=st.lists(st.integers(1, 3), min_size=1, max_size=6), partitions=st.integers(1, 32), seed=st.integers(0, 999)
)
def test_all_partitions_are_shared_by_weight_and_stay_where_they_are(
    weights: list[int], partitions: int, seed: int
) -> None:
    world = World(partitions, seed)
    for node, weight in enumerate(weights):
        world.join(f"n{node}", world._rng.random() * 20, weight)
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
    # Two nodes can be too late for the same partition, and look again; the half second is for the claims themselves.
    taken = GLANCE_SECONDS + 2 * AGAIN_SECONDS + 0.5
    world.run({"crash": EXPIRY + taken, "leave": taken, "join": INTERVAL + 3}[what])
    assert sum(world.counts) == 32
    assert world.moves <= 32 // nodes
    world.run(3 * INTERVAL)
    assert world.balanced, world.counts


@given(
    owners=st.lists(st.sampled_from(["", "me", "a", "b"]), min_size=1, max_size=32),
    rates=st.lists(st.floats(0, 1e6), min_size=32, max_size=32, unique=True),
    seed=st.integers(0, 999),
)
def test_rates_choose_which_and_never_how_many(owners: list[str], rates: list[float], seed: int) -> None:
    found = {str(number): Ownership(owner, 1.0) for number, owner in enumerate(owners)}
    known = {str(number): rate for number, rate in enumerate(rates)}
    by_rate = claims("me", list(found), found, EXPIRY, Random(seed), rates=known)
    assert len(set(by_rate)) == len(by_rate) == len(claims("me", list(found), found, EXPIRY, Random(seed)))
    assert all(found[each].owner != "me" for each in by_rate)


@given(rates=st.lists(st.floats(1, 1e6), min_size=4, max_size=32, unique=True), seed=st.integers(0, 999))
def test_who_joins_takes_a_fair_part_of_the_load(rates: list[float], seed: int) -> None:
    found = {str(number): Ownership("other", 1.0) for number in range(len(rates))}
    known = dict(zip(found, rates, strict=True))
    taken = claims("me", list(found), found, EXPIRY, Random(seed), rates=known)
    busiest = sorted(known, key=lambda each: known[each], reverse=True)[:2]
    assert len(set(taken) & set(busiest)) == 1, "the two busiest are not on one node"
    assert claims("me", list(found), {}, EXPIRY, Random(seed), rates=known, steals=False) != []


def test_one_of_another_language_that_takes_one_at_a_time_is_left_its_share() -> None:
    """A Python processor keeps fewer than its share for a while: it is not robbed, and what it has stays its own."""
    rng = Random(1)
    found = {str(n): Ownership("py" if n < 3 else "me", 1.0) for n in range(8)}
    assert claims("me", [str(n) for n in range(8)], found, EXPIRY, rng) == []
    assert Counter(each.owner for each in found.values())["py"] == 3


@pytest.mark.parametrize(("age", "free"), [(EXPIRY, False), (EXPIRY + 1, True)])
def test_what_is_not_renewed_is_nobody_s(age: float, free: bool) -> None:
    found = {"0": Ownership("other", age)}
    assert ("other" in active(["me"], found, EXPIRY)) is not free
    assert claims("me", ["0"], found, EXPIRY, Random(1)) == (["0"] if free else [])
