"""Which partitions a node claims next, by the rule of the JavaScript processors: all that it lacks, at once. Pure.

Every node looks at the same ownership blobs and judges for itself. A node that has fewer than its share takes what nobody has,
and then from those that have more than theirs. How many is by count alone; which ones, by what is known of their rates.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple


class Ownership(NamedTuple):
    """What the blob of a partition says."""

    owner: str
    """Empty: let go of."""
    age: float
    """Seconds since it was claimed or renewed, by the storage service's clock."""
    etag: str = ""


def active(me: Collection[str], found: Mapping[str, Ownership], expiry: float) -> dict[str, list[str]]:
    """Returns owner → its partitions, of all that renew theirs, and of the owners that are this node in any case. `expiry`: an
    ownership that is older in seconds is nobody's."""
    owners: dict[str, list[str]] = defaultdict(list, {owner: [] for owner in me})
    for partition, ownership in found.items():
        if ownership.owner and ownership.age <= expiry:
            owners[ownership.owner].append(partition)
    return owners


def claims(
    me: str,
    partitions: Sequence[str],
    found: Mapping[str, Ownership],
    expiry: float,
    rng: Random,
    *,
    fellows: Collection[str] = (),
    rates: Mapping[str, float] | None = None,
    steals: bool = True,
) -> list[str]:
    """Returns the partitions to claim now, besides those that are this owner's already. Arguments as for `active`; `fellows`:
    further owners that are the same node; `rates`: partition → its events, in any unit that is the same for all; `steals`:
    whether to take from those that renew theirs."""
    rates = rates or {}
    owners = active((me, *fellows), {each: found[each] for each in partitions if each in found}, expiry)
    owned = {partition for theirs in owners.values() for partition in theirs}
    free = [partition for partition in partitions if partition not in owned]
    # Every owner has at least `least`, and `larger` of them one more.
    least, larger = divmod(len(partitions), len(owners))
    mine = len(owners[me])
    others = [theirs for owner, theirs in owners.items() if owner != me]
    filled = sum(len(theirs) > least for theirs in others)
    share = least + (filled < larger)
    rng.shuffle(free)
    # What its share would have if each partition had the mean rate, less what it has.
    lacks = _load(partitions, rates) * max(share, mine) / max(1, len(partitions)) - _load(owners[me], rates)
    taken = _dealt(free, share - mine, lacks, rates)
    wanted = share - mine - len(taken) if steals else 0
    may_keep = larger - (share > least)
    for theirs in sorted(others, key=lambda each: (len(each), _load(each, rates)), reverse=True):
        if wanted <= 0:
            break
        keeps = least + (may_keep > 0)
        may_keep -= len(theirs) > least
        spare = min(wanted, len(theirs) - keeps)
        if spare > 0:
            shuffled = rng.sample(theirs, len(theirs))
            taken += _dealt(shuffled, spare, (lacks - _load(taken, rates)) * spare / wanted, rates)
            wanted -= spare
    return taken


def _load(partitions: Iterable[str], rates: Mapping[str, float]) -> float:
    return sum(rates.get(each, 0.0) for each in partitions)


def _dealt(partitions: Sequence[str], count: int, lacks: float, rates: Mapping[str, float]) -> list[str]:
    """Deals the partitions out, from the busiest on: `count` of them, which together should have the rate `lacks`, are this
    owner's and are returned, and the rest somebody else's. Each goes to who is further from what it should have; a single one is
    the one that fits best. Without rates the first ones are returned."""
    dealt: list[str] = []
    left, mine, theirs = len(partitions) - count, 0.0, 0.0
    load = _load(partitions, rates)
    lacks = min(max(0.0, lacks), load)
    if count == 1 and partitions:
        return [min(partitions, key=lambda each: abs(rates.get(each, 0.0) - lacks))]
    for partition in sorted(partitions, key=lambda each: rates.get(each, 0.0), reverse=True):
        if len(dealt) >= count:
            break
        rate = rates.get(partition, 0.0)
        if left <= 0 or (mine + rate) * (load - lacks) <= (theirs + rate) * lacks:
            dealt.append(partition)
            mine += rate
        else:
            left -= 1
            theirs += rate
    return dealt
