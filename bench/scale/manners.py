"""How readers of several makes share partitions through ownership blobs: when they look, and what they claim then.

The rules of the other processors are told anew here, with the intervals and strategies that they have by default, after
`loadBalancingStrategy.js` of @azure/event-hubs 6.0.4, `ownership_manager.py` of azure-eventhub 5.15.1,
`PartitionBasedLoadBalancer.java`, `PartitionLoadBalancer.cs` and `processor_load_balancer.go`. Tests compare the first two with
these clients (tests/bench/test_manners.py).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from ingest.cluster import balance
from ingest.cluster.balance import Ownership
from ingest.cluster.blob_group import AGAIN_SECONDS, EXPIRY_SECONDS, INTERVAL_SECONDS

Claims = Callable[[str, Sequence[str], Mapping[str, Ownership], float, Random], list[str]]
"""As `ingest.cluster.balance.claims`."""


@dataclass(frozen=True, slots=True)
class Manner:
    claims: Claims
    interval: float
    """Seconds from one look to the next."""
    jitter: float
    """An interval lasts up to this much longer, at random."""
    expiry: float
    """What is not renewed for so many seconds is nobody's."""
    again: float | None = None
    """Until the next look when another was faster with a claim; None: as usual."""
    eager: bool = False
    """Whether it looks again at once while it claims something."""


def javascript(
    me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random
) -> list[str]:
    """Strategy "greedy": all that it lacks."""
    owners, free = _owners(me, partitions, found, expiry)
    if len(free) == len(partitions):
        return free
    least, larger = divmod(len(partitions), len(owners))
    sizes = [len(theirs) for theirs in owners.values()]
    if _even(sizes, least, larger):
        return []
    wanted = least + (sum(size > least for size in sizes) < larger) - len(owners[me])
    if wanted <= 0:
        return []
    chosen = rng.sample(free, min(wanted, len(free)))
    larger_ones = [theirs for owner, theirs in owners.items() if owner != me and len(theirs) > least]
    for index, theirs in enumerate(sorted(larger_ones, key=len, reverse=True)):
        chosen += rng.sample(theirs, min(wanted - len(chosen), len(theirs) - least - (index < larger)))
    return chosen


def javascript_by_one(
    me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random
) -> list[str]:
    """Strategy "balanced": one of them."""
    return _one(rng, javascript(me, partitions, found, expiry, rng))


def python(me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random) -> list[str]:
    """Strategy "greedy": of what is nobody's all that it may have, of what is others' one."""
    owners, free = _owners(me, partitions, found, expiry)
    least = len(partitions) // len(owners)
    most = -(-len(partitions) // len(owners))
    mine = len(owners[me])
    if mine < most and free:
        return rng.sample(free, min(most - mine, len(free)))
    if mine < least:
        return [rng.choice(max(owners.values(), key=len))]
    return []


def java(me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random) -> list[str]:
    """Strategy "balanced": one, if nobody has fewer."""
    owners, free = _owners(me, partitions, found, expiry)
    if len(free) == len(partitions):
        return _one(rng, free)
    least, larger = divmod(len(partitions), len(owners))
    sizes, mine = [len(theirs) for theirs in owners.values()], len(owners[me])
    if _even(sizes, least, larger) or (mine >= least and mine > min(sizes)):
        return []
    return _one(rng, free or max(owners.values(), key=len))


def dotnet(me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random) -> list[str]:
    """One at each look, of which strategy "greedy" makes more."""
    owners, free = _owners(me, partitions, found, expiry)
    least, mine = len(partitions) // len(owners), len(owners[me])
    others = [theirs for owner, theirs in owners.items() if owner != me]
    if mine > least or (mine == least and any(len(theirs) < least for theirs in others)):
        return []
    larger = [each for theirs in others if len(theirs) > least + 1 for each in theirs]
    large = [each for theirs in others if len(theirs) == least + 1 for each in theirs]
    return _one(rng, free or larger or (large if mine < least else []))


def go(me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random) -> list[str]:
    """Strategy "balanced": one, also of what was let go of, which counts as somebody's until it expires."""
    owners, free = _owners(me, partitions, found, expiry)
    let_go = [each for each in free if each in found and found[each].age <= expiry]
    groups = [*owners.values(), let_go] if let_go else list(owners.values())
    most, mine = -(-len(partitions) // len(groups)), len(owners[me])
    expired = [each for each in free if each not in let_go]
    above = [each for theirs in groups if theirs is not owners[me] and len(theirs) > most for each in theirs]
    return _one(rng, expired or above) if mine < most else []


def _owners(
    me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float
) -> tuple[Mapping[str, list[str]], list[str]]:
    """Owner → partitions, and those that are nobody's."""
    owners: dict[str, list[str]] = defaultdict(list, {me: []})
    for partition, each in found.items():
        if each.owner and each.age <= expiry:
            owners[each.owner].append(partition)
    taken = {partition for theirs in owners.values() for partition in theirs}
    return owners, [each for each in partitions if each not in taken]


def _even(sizes: Sequence[int], least: int, larger: int) -> bool:
    return sizes.count(least + 1) == larger and sizes.count(least) == len(sizes) - larger


def _one(rng: Random, of: Sequence[str]) -> list[str]:
    return [rng.choice(of)] if of else []


INGEST: Final = Manner(balance.claims, INTERVAL_SECONDS, 0.2, EXPIRY_SECONDS, AGAIN_SECONDS)
JAVASCRIPT: Final = Manner(javascript_by_one, 10.0, 0.0, 60.0)
JAVASCRIPT_GREEDY: Final = Manner(javascript, 10.0, 0.0, 60.0)
PYTHON: Final = Manner(python, 30.0, 0.2, 180.0)
JAVA: Final = Manner(java, 30.0, 0.0, 120.0)
DOTNET: Final = Manner(dotnet, 30.0, 0.0, 120.0, eager=True)
GO: Final = Manner(go, 10.0, 0.0, 60.0)
