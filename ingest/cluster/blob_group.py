"""The Event Hubs processors' ownership blobs as coordination, for those who share a consumer group with processors of other
languages: the balance is the JavaScript processors' (`balance.py`), the blobs are everybody's.

There is no coordinator, and nobody is asked to let go: who lacks partitions takes them, and who has lost one finds that out at
its next look, or from the hub, which ends its link. So what is lost is always stolen. While the storage account does not answer,
everybody goes on with what they have.
"""

import logging
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Final, Protocol

from ingest.cluster.balance import Ownership, active, claims
from ingest.cluster.changes import Changes
from ingest.cluster.contract import Change
from ingest.cluster.node import member_name, of_nodes
from ingest.cluster.rates import Rates
from ingest.errors import IngestError, Unreachable
from ingest.logs import Repeated, and_more
from ingest.timing import Clock, Deadline, joined

INTERVAL_SECONDS: Final = 15.0
"""From one round to the next, plus up to a fifth of it, so that nodes do not look at the same moment."""
GLANCE_SECONDS: Final = 2.0
"""While there are other owners, in between: whether one has let go. One request, and nothing is renewed or stolen."""
GLANCED: Final = 32
"""With more partitions than these a glance comes later in proportion: it costs 7 ms of CPU time for so many."""
RATES_SECONDS: Final = 60.0
"""How often the checkpoints are looked at for the partitions' rates."""
EXPIRY_SECONDS: Final = 60.0
"""What is not renewed for this long is nobody's: as long as with the JavaScript, Go and C++ processors, which take it then."""
AGAIN_SECONDS: Final = 0.5
"""Until the next look when another was faster with a claim."""
RETRY_SECONDS: Final = 3.0

logger = logging.getLogger(__name__)


def glance_seconds(partitions: int, least: float = GLANCE_SECONDS) -> float:
    """Returns the seconds from one glance to the next, for a hub with so many partitions."""
    return least * max(1.0, partitions / GLANCED)


class Blobs(Protocol):
    """As `ingest.cluster.ownership_blobs.OwnershipBlobs`."""

    def read(self) -> Mapping[str, Ownership]: ...

    def claim(self, partition: str, owner: str, over: Ownership | None) -> Ownership | None: ...

    def sequence_numbers(self) -> Mapping[str, int]: ...

    def close(self) -> None: ...


class BlobGroup:
    """A `Coordination`. A thread of its own does all storage operations."""

    def __init__(
        self,
        blobs: Blobs,
        partitions: Sequence[str],
        name: str,
        weight: int = 1,
        *,
        interval: float = INTERVAL_SECONDS,
        glance: float = GLANCE_SECONDS,
        expiry: float = EXPIRY_SECONDS,
        rng: Random | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """`partitions`: of the hub, read again at each look. `name`: this node's; the owner that it writes is new with each
        start. `weight`: the node is so many owners, each of which gets a share: those of other languages need not know."""
        self.joined = False
        self.rebalances = 0
        self.members: Mapping[str, Collection[str]] | None = None
        self._trouble: str | None = None
        self.owner = f"{name}/{uuid.uuid4()}"
        self.owners = tuple(member_name(self.owner, number) for number in range(weight))
        self._blobs = blobs
        self._partitions = partitions
        self._interval = interval
        self._glance = glance
        self._clock = clock
        self._expiry = expiry
        self._rng = rng or Random()  # noqa: S311 - spreads nodes, guards nothing
        self._held: set[str] = set()
        self._others = False
        """Whether there were other owners at the last look."""
        self._rates = Rates()
        self._rates_at = float("-inf")
        self._changes = Changes()
        self._condition = threading.Condition()
        self._closing = False
        self._repeated = Repeated()
        self._thread = threading.Thread(target=self._run, name="blob-group", daemon=True)

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def start(self) -> None:
        self._thread.start()

    def fileno(self) -> int:
        return self._changes.fileno()

    def poll(self) -> Sequence[Change]:
        return self._changes.take()

    def release(self, partitions: Collection[str]) -> None:
        """Does nothing: no partition is ever lost before it is another's."""

    def close(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify_all()

    def join(self, deadline: Deadline) -> bool:
        return joined(self._thread, deadline)

    def look(self, *, glance: bool = False) -> bool:
        """Renews what is this node's, takes what it lacks, and finds out what others have taken; at a `glance` it renews
        nothing, and takes only what nobody has. Returns whether all claims succeeded: else another look soon is useful.
        Raises Unreachable."""
        found = dict(self._blobs.read())
        mine = {each: ownership.owner for each, ownership in found.items() if ownership.owner in self.owners}
        self._stolen(self._held - mine.keys())
        before = self.members
        succeeded = [glance or self._claim(partition, mine[partition], found) for partition in sorted(mine)]
        for owner in self.owners:
            lacking = claims(
                owner,
                list(self._partitions),
                found,
                self._expiry,
                self._rng,
                fellows=self.owners,
                rates=self._rates.known(),
                steals=not glance,
            )
            succeeded += [self._claim(partition, owner, found) for partition in lacking]
        shares = active(self.owners, found, self._expiry)
        self._others = len(shares) > len(self.owners)
        self.members = of_nodes(shares)
        self.joined = True
        if before is not None and {name: len(each) for name, each in before.items()} != {
            name: len(each) for name, each in self.members.items()
        }:
            self.rebalances += 1
        self._changes.ring()
        return all(succeeded)

    def leave(self) -> None:
        """Lets go of everything, so that others need not wait until it expires."""
        for partition, ownership in self._blobs.read().items():
            if ownership.owner in self.owners:
                self._blobs.claim(partition, "", ownership)

    def look_at_rates(self) -> None:
        """Learns how busy the partitions are; if that cannot be read, what was known holds."""
        now = self._clock()
        if now - self._rates_at < RATES_SECONDS:
            return
        self._rates_at = now
        try:
            self._rates.take(self._blobs.sequence_numbers(), now)
        except Unreachable as error:
            logger.debug("The rates of partitions are not known: %s", error)

    def _claim(self, partition: str, owner: str, found: dict[str, Ownership]) -> bool:
        ownership = self._blobs.claim(partition, owner, found.get(partition))
        if ownership is None:
            self._stolen({partition} & self._held)
            return False
        found[partition] = ownership
        if partition not in self._held:
            self._held.add(partition)
            self._changes.put(Change("gained", (partition,)))
        return True

    def _stolen(self, partitions: Collection[str]) -> None:
        if partitions:
            self._held -= set(partitions)
            self._changes.put(Change("stolen", tuple(sorted(partitions))))

    def _run(self) -> None:
        due = self._clock()
        """When the next round is due."""
        while not self._closing:
            glance = self._clock() < due
            spread = 1 + 0.2 * self._rng.random()
            try:
                if not glance:
                    self.look_at_rates()
                if not self.look(glance=glance):
                    due = self._clock() + spread * min(AGAIN_SECONDS, self._interval)
                elif not glance:
                    due = self._clock() + spread * self._interval
                wait = due - self._clock()
                if self._others:
                    wait = min(wait, glance_seconds(len(self._partitions), self._glance) / spread)
                self._trouble = None
            except IngestError as error:
                self._report(str(error))
                wait = RETRY_SECONDS
            except Exception as error:  # whatever it is, what is not renewed is lost
                logger.debug("The ownership blobs", exc_info=True)
                self._report(f"{type(error).__name__}: {error}")
                wait = RETRY_SECONDS
            with self._condition:
                self._condition.wait_for(lambda: self._closing, max(0.0, wait))
        try:
            self.leave()
        except IngestError as error:
            self._report(str(error))
        self._blobs.close()

    def _report(self, words: str) -> None:
        self._trouble = words
        held = self._repeated.admit("look")
        if held is not None:
            logger.warning("%s; this node goes on with what it has%s.", words, and_more(held))
