"""The Event Hubs processors' ownership blobs as coordination, for those who share a consumer group with processors of other
languages: the balance is the JavaScript processors' (`balance.py`), the blobs are everybody's.

There is no coordinator, and nobody is asked to let go: who lacks partitions takes them, and who has lost one finds that out at
its next look, or from the hub, which ends its link. So what is lost is always stolen. While the storage account does not answer,
everybody goes on with what they have.
"""

import logging
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Final, Protocol

from ingest.cluster.balance import Ownership, active, claims
from ingest.cluster.changes import Changes
from ingest.cluster.contract import Change
from ingest.errors import IngestError
from ingest.logs import Repeated, and_more
from ingest.timing import Deadline

INTERVAL_SECONDS: Final = 15.0
"""From one look to the next, plus up to a fifth of it, so that nodes do not look at the same moment."""
EXPIRY_SECONDS: Final = 60.0
"""What is not renewed for this long is nobody's: as long as with the JavaScript, Go and C++ processors, which take it then."""
AGAIN_SECONDS: Final = 1.0
"""Until the next look when another was faster with a claim."""
RETRY_SECONDS: Final = 3.0

logger = logging.getLogger(__name__)


class Blobs(Protocol):
    """As `ingest.cluster.ownership_blobs.OwnershipBlobs`."""

    def read(self) -> Mapping[str, Ownership]: ...

    def claim(self, partition: str, owner: str, over: Ownership | None) -> Ownership | None: ...

    def close(self) -> None: ...


class BlobGroup:
    """A `Coordination`. A thread of its own does all storage operations."""

    def __init__(
        self,
        blobs: Blobs,
        partitions: Sequence[str],
        name: str,
        *,
        interval: float = INTERVAL_SECONDS,
        expiry: float = EXPIRY_SECONDS,
        rng: Random | None = None,
    ) -> None:
        """`partitions`: of the hub, read again at each look. `name`: this node's; the owner that it writes is new with each
        start."""
        self.joined = False
        self.rebalances = 0
        self.members: Mapping[str, Collection[str]] | None = None
        self._trouble: str | None = None
        self.owner = f"{name}/{uuid.uuid4()}"
        self._blobs = blobs
        self._partitions = partitions
        self._interval = interval
        self._expiry = expiry
        self._rng = rng or Random()  # noqa: S311 - spreads nodes, guards nothing
        self._held: set[str] = set()
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
        if self._thread.ident is None:
            return True
        self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    def look(self) -> bool:
        """Renews what is this node's, takes what it lacks, and finds out what others have taken. Returns whether all claims
        succeeded: else another look soon is useful. Raises Unreachable."""
        found = dict(self._blobs.read())
        mine = {each for each, ownership in found.items() if ownership.owner == self.owner}
        self._stolen(self._held - mine)
        before = self.members
        lacking = claims(self.owner, list(self._partitions), found, self._expiry, self._rng)
        succeeded = [self._claim(partition, found) for partition in (*sorted(mine), *lacking)]
        self.members = active(self.owner, found, self._expiry)
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
            if ownership.owner == self.owner:
                self._blobs.claim(partition, "", ownership)

    def _claim(self, partition: str, found: dict[str, Ownership]) -> bool:
        ownership = self._blobs.claim(partition, self.owner, found.get(partition))
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
        while not self._closing:
            spread = 1 + 0.2 * self._rng.random()
            try:
                wait = spread * (self._interval if self.look() else min(AGAIN_SECONDS, self._interval))
                self._trouble = None
            except IngestError as error:
                self._report(str(error))
                wait = RETRY_SECONDS
            except Exception as error:  # whatever it is, what is not renewed is lost
                logger.debug("The ownership blobs", exc_info=True)
                self._report(f"{type(error).__name__}: {error}")
                wait = RETRY_SECONDS
            with self._condition:
                self._condition.wait_for(lambda: self._closing, wait)
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
