"""Which partitions a node claims next, by the rule of the JavaScript processors: all that it lacks, at once. Pure.

Every node looks at the same ownership blobs and judges for itself. A node that has fewer than its share takes what nobody has,
and then from those that have more than theirs.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple


class Ownership(NamedTuple):
    """What the blob of a partition says."""

    owner: str
    """Empty: let go of."""
    age: float
    """Seconds since it was claimed or renewed, by the storage service's clock."""
    etag: str = ""


def active(me: str, found: Mapping[str, Ownership], expiry: float) -> dict[str, list[str]]:
    """Returns owner → its partitions, of all that renew theirs, and of this node in any case. `expiry`: an ownership that is
    older in seconds is nobody's."""
    owners: dict[str, list[str]] = defaultdict(list)
    owners[me] = []
    for partition, ownership in found.items():
        if ownership.owner and ownership.age <= expiry:
            owners[ownership.owner].append(partition)
    return owners


def claims(me: str, partitions: Sequence[str], found: Mapping[str, Ownership], expiry: float, rng: Random) -> list[str]:
    """Returns the partitions to claim now, besides those that are this node's already. Arguments as for `active`."""
    owners = active(me, {each: found[each] for each in partitions if each in found}, expiry)
    owned = {partition for theirs in owners.values() for partition in theirs}
    free = [partition for partition in partitions if partition not in owned]
    # Every node has at least `least`, and `larger` of them one more.
    least, larger = divmod(len(partitions), len(owners))
    mine = len(owners[me])
    others = [theirs for owner, theirs in owners.items() if owner != me]
    filled = sum(len(theirs) > least for theirs in others)
    share = least + (filled < larger)
    rng.shuffle(free)
    taken = free[: max(0, share - mine)]
    wanted = share - mine - len(taken)
    may_keep = larger - (share > least)
    for theirs in sorted(others, key=len, reverse=True):
        if wanted <= 0:
            break
        keeps = least + (may_keep > 0)
        may_keep -= len(theirs) > least
        spare = min(wanted, len(theirs) - keeps)
        if spare > 0:
            taken += rng.sample(theirs, spare)
            wanted -= spare
    return taken
