"""Ownership blobs: every node lists them, renews its own and claims what it lacks, in the manner of its make (`manners.py`);
in between one of ingest glances at them for what nobody has. Rates are left out.

One simulated second costs nothing. ETags decide who wins, as in Blob Storage; ages are the service's.
"""

import heapq
import random
from collections.abc import Callable
from functools import partial

from bench.scale.manners import INGEST, Manner
from ingest.cluster.balance import Ownership, claims
from ingest.cluster.blob_group import INTERVAL_SECONDS, RATES_SECONDS, glance_seconds

REQUEST_SECONDS = 0.012
"""One request to Blob Storage."""
LISTED = 5000
"""Blobs in one answer of List Blobs."""


class Blobs:
    """A container, and the nodes that share its partitions."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.now = 0.0
        self.requests = 0.0
        self.moves = 0
        """Partitions that were taken from a node that is alive."""
        self.moved_at = 0.0
        """When one was last."""
        self.owned: dict[int, set[int]] = {0: set(range(partitions))}
        """Node → its partitions, as the blobs say; node 0 stands for nobody."""
        self._partitions = partitions
        self._random = random.Random(seed)
        self._owner = [0] * partitions
        self._etag = [0] * partitions
        self._modified = [0.0] * partitions
        self._alive: set[int] = set()
        self._manners: dict[int, Manner] = {}
        self._crashed: set[int] = set()
        """Nodes that are gone and have let go of nothing."""
        self._faster: set[int] = set()
        """Nodes that have lost a claim to another since their last look."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def join(self, node: int, seconds: float = 0.0, manner: Manner = INGEST) -> None:
        """It begins so many seconds from now."""
        self._alive.add(node)
        self._manners[node] = manner
        self.owned[node] = set()
        self._after(seconds, partial(self._look, node, 0.0))

    def crash(self, node: int) -> None:
        self._alive.discard(node)
        self._crashed.add(node)

    def leave(self, node: int) -> None:
        """Gracefully: it lets go of each of its blobs."""
        self._alive.discard(node)
        for partition in list(self.owned[node]):
            self.requests += 1
            self._write(partition, 0)
        del self.owned[node]

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Returns after how many seconds `until` held, at most `seconds`."""
        begin = self.now
        if until():
            return 0.0
        while self._queue and self._queue[0][0] <= begin + seconds:
            self.now, _, what = heapq.heappop(self._queue)
            what()
            if until():
                return self.now - begin
        self.now = begin + seconds
        return seconds

    def all_owned(self) -> bool:
        """Whether every partition is a living node's."""
        return sum(len(self.owned[node]) for node in self._alive) == self._partitions

    def balanced(self) -> bool:
        """Whether, besides, shares differ by one at most."""
        shares = [len(self.owned[node]) for node in self._alive]
        return sum(shares) == self._partitions and max(shares) - min(shares) <= 1

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + seconds, self._count, what))

    def _look(self, node: int, due: float) -> None:
        """A round if it is due, or else a glance."""
        if node not in self._alive:
            return
        glance, manner = self.now < due, self._manners[node]
        rates = INTERVAL_SECONDS / RATES_SECONDS if manner is INGEST and not glance else 0.0
        self.requests += -(-self._partitions // LISTED) * (1 + rates)
        chosen = self._choose(node, steals=not glance) if not glance or self._leftovers() else []
        wanted = [*([] if glance else sorted(self.owned[node])), *chosen]
        seen = [(partition, self._etag[partition]) for partition in wanted]
        self._faster.discard(node)
        for index, (partition, etag) in enumerate(seen, 1):
            self._after(index * REQUEST_SECONDS, partial(self._claim, node, partition, etag))
        rest = self._rest_eagerly if manner.eager and chosen else self._rest
        self._after(len(seen) * REQUEST_SECONDS, partial(rest, node, due if glance else 0.0))

    def _rest_eagerly(self, node: int, due: float) -> None:
        self._after(REQUEST_SECONDS, partial(self._look, node, due))

    def _rest(self, node: int, due: float) -> None:
        manner = self._manners[node]
        spread = 1 + manner.jitter * self._random.random()
        if manner.again is not None and node in self._faster:
            due = self.now + manner.again * spread
        elif not due:
            due = self.now + manner.interval * spread
        pause = due - self.now
        if manner is INGEST and len(self._alive) > 1:
            pause = min(pause, glance_seconds(self._partitions) / spread)
        self._after(pause, partial(self._look, node, due))

    def _leftovers(self) -> bool:
        """Whether there are partitions that nobody has."""
        return bool(self.owned[0]) or any(self.owned[node] and not self._counts(node) for node in self._crashed)

    def _choose(self, node: int, *, steals: bool) -> list[int]:
        """What its rule claims; ingest's own, which asks nothing of a node that has its share, is not asked then."""
        manner = self._manners[node]
        if manner is INGEST and self._has_its_share(node):
            return []
        found = {
            str(partition): Ownership(str(owner or ""), self.now - modified)
            for partition, (owner, modified) in enumerate(zip(self._owner, self._modified, strict=True))
        }
        rule = manner.claims if steals else partial(claims, steals=False)
        return [int(name) for name in rule(str(node), list(found), found, manner.expiry, self._random)]

    def _has_its_share(self, node: int) -> bool:
        others = [len(theirs) for other, theirs in self.owned.items() if other not in (0, node) and self._counts(other)]
        least, larger = divmod(self._partitions, len(others) + 1)
        return len(self.owned[node]) >= least + (sum(share > least for share in others) < larger)

    def _counts(self, node: int) -> bool:
        """Whether any of its ownerships holds, as ingest sees it."""
        return any(self.now - self._modified[partition] <= INGEST.expiry for partition in self.owned[node])

    def _claim(self, node: int, partition: int, etag: int) -> None:
        self.requests += 1
        if self._etag[partition] != etag:
            self._faster.add(node)
        if node not in self._alive or self._etag[partition] != etag:
            return
        before = self._owner[partition]
        if before not in (0, node) and before in self._alive:
            self.moves += 1
            self.moved_at = self.now
        self._write(partition, node)

    def _write(self, partition: int, node: int) -> None:
        self.owned[self._owner[partition]].discard(partition)
        self.owned[node].add(partition)
        self._owner[partition] = node
        self._etag[partition] += 1
        self._modified[partition] = self.now
