"""Ownership blobs: every node lists them, renews its own and claims what it lacks, as JavaScript's processors do.

One simulated second costs nothing. ETags decide who wins, as in Blob Storage; ages are the service's.
"""

import heapq
import random
from collections.abc import Callable
from functools import partial

INTERVAL_SECONDS = 15.0
JITTER = 0.2
"""An interval lasts up to this much longer, at random."""
AGAIN_SECONDS = 1.0
"""Until a node looks again when another was faster with a claim."""
EXPIRY_SECONDS = 60.0
REQUEST_SECONDS = 0.012
"""One request to Blob Storage."""
LISTED = 5000
"""Blobs in one answer of List Blobs."""


class Blobs:
    """A container, and the nodes that share its partitions."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.now = 0.0
        self.requests = 0
        self.moves = 0
        """Partitions that were taken from a node that is alive."""
        self.owned: dict[int, set[int]] = {0: set(range(partitions))}
        """Node → its partitions, as the blobs say; node 0 stands for nobody."""
        self._partitions = partitions
        self._random = random.Random(seed)
        self._owner = [0] * partitions
        self._etag = [0] * partitions
        self._modified = [0.0] * partitions
        self._alive: set[int] = set()
        self._faster: set[int] = set()
        """Nodes that have lost a claim to another since their last look."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def join(self, node: int, seconds: float = 0.0) -> None:
        """It begins so many seconds from now."""
        self._alive.add(node)
        self.owned[node] = set()
        self._after(seconds, partial(self._tick, node))

    def crash(self, node: int) -> None:
        self._alive.discard(node)

    def leave(self, node: int) -> None:
        """Gracefully: it lets go of each of its blobs."""
        self.crash(node)
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

    def _tick(self, node: int) -> None:
        if node not in self._alive:
            return
        self.requests += -(-self._partitions // LISTED)
        wanted = [*sorted(self.owned[node]), *self._choose(node)]
        seen = [(partition, self._etag[partition]) for partition in wanted]
        self._faster.discard(node)
        for index, (partition, etag) in enumerate(seen, 1):
            self._after(index * REQUEST_SECONDS, partial(self._claim, node, partition, etag))
        self._after(len(seen) * REQUEST_SECONDS, partial(self._rest, node))

    def _rest(self, node: int) -> None:
        pause = INTERVAL_SECONDS * (1 + JITTER * self._random.random())
        self._after(AGAIN_SECONDS if node in self._faster else pause, partial(self._tick, node))

    def _choose(self, node: int) -> list[int]:
        """All that the node lacks, at once: first what is nobody's, then from those that have more than their share."""
        free: list[int] = []
        active = {node: self.owned[node]}
        for other, theirs in self.owned.items():
            if other in self._alive and theirs:
                active[other] = theirs
            elif other not in self._alive:
                expired = [one for one in theirs if not other or self.now - self._modified[one] > EXPIRY_SECONDS]
                free += expired
                if len(expired) < len(theirs):
                    active[other] = theirs.difference(expired)
        floor, extra = divmod(self._partitions, len(active))
        above = sum(len(theirs) > floor for theirs in active.values())
        lacking = floor + (1 if above < extra else 0) - len(self.owned[node])
        if lacking <= 0:
            return []
        taken = self._random.sample(free, min(lacking, len(free)))
        kept_extra = 0
        for other, theirs in sorted(active.items(), key=lambda each: -len(each[1])):
            if len(taken) == lacking or other == node or len(theirs) <= floor:
                continue
            keep = floor + (1 if kept_extra < extra else 0)
            kept_extra += 1
            spare = min(lacking - len(taken), len(theirs) - keep)
            if spare > 0:
                taken += self._random.sample(sorted(theirs), spare)
        return taken

    def _claim(self, node: int, partition: int, etag: int) -> None:
        self.requests += 1
        if self._etag[partition] != etag:
            self._faster.add(node)
        if node not in self._alive or self._etag[partition] != etag:
            return
        before = self._owner[partition]
        self.moves += before not in (0, node) and before in self._alive
        self._write(partition, node)

    def _write(self, partition: int, node: int) -> None:
        self.owned[self._owner[partition]].discard(partition)
        self.owned[node].add(partition)
        self._owner[partition] = node
        self._etag[partition] += 1
        self._modified[partition] = self.now
