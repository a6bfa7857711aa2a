"""Whether a partition process's memory is still the state of its partition.

The hub gives a partition to the reader that came last, and ends the link of the one before; a process that stood still,
as in a suspended machine, can notice that late. A process with any reason for doubt closes its link, forgets what it
has not sent to Kafka yet, and reads the store again; then it goes on, only forwards: after what another process has
saved if that is further on, else after what Kafka has acknowledged. Nothing is saved before the hub has let it in
again.
"""

import logging
from collections.abc import Callable

from ingest.config import Source
from ingest.hub.position import Position, StartAt
from ingest.source.checkpoints.order import further
from ingest.source.checkpoints.store import Checkpoint
from ingest.source.checkpoints.writer import CheckpointWriter, Looked
from ingest.source.delivery.contract import Deliverer
from ingest.source.receiving.identity import Identity
from ingest.source.receiving.receiver import Receiver
from ingest.source.receiving.start import start_at
from ingest.timing import since_boot

PAUSE_SECONDS = 5.0
"""A loop that took this long cannot know what happened meanwhile. Normally no part of it waits that long."""
ACKS_SECONDS = 2.0
"""How long records on their way to Kafka have to be acknowledged; the others come again."""
FRESH_SECONDS = 2.0
"""The position that a process began with is not read again within this time."""
ANSWER_SECONDS = 3.0
"""How long the store has to say whether another process has gone on while there was no link."""

logger = logging.getLogger(__name__)


class Ownership:
    """Call `poll` once per loop, on the loop's thread, like everything here."""

    def __init__(
        self,
        source: Source,
        partition: str,
        checkpoint: Checkpoint | None,
        receiver: Receiver,
        delivery: Deliverer,
        writer: CheckpointWriter,
        identity: Identity,
        *,
        vacant: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = since_boot,
    ) -> None:
        """`checkpoint`: where this process began. `vacant` is asked, until it says yes, before a link is opened again."""
        self._source = source
        self._partition = partition
        self._base = checkpoint
        self._receiver = receiver
        self._delivery = delivery
        self._writer = writer
        self._identity = identity
        self._vacant = vacant
        self._clock = clock
        self._seen_at = clock()
        self._doubted_at: float | None = None
        self._attaches = -1
        self._occupied = False
        """Whether another process can have gone on since the store was read."""
        self._asked_at: float | None = None
        self._known_until = clock() + FRESH_SECONDS

    @property
    def trouble(self) -> str | None:
        """Why the place to go on from is unknown, in words."""
        return self._writer.last_error if self._doubted_at is not None else None

    def awake(self) -> bool:
        """Whether records may go to Kafka: this process has neither lost the partition nor stood still."""
        now = self._clock()
        away, self._seen_at = now - self._seen_at, now
        if away > PAUSE_SECONDS:
            self.doubt(f"this process stood still for {away:.0f} s, and another may have its place")
        return self._doubted_at is None

    def may_save(self) -> bool:
        """Whether positions may be saved: the hub has let this process in, and it has not stood still since, as while it waited
        for Kafka."""
        return self.awake() and self._receiver.attaches > self._attaches

    def doubt(self, why: str) -> None:
        """Notes that another process can have, or have had, the partition; `why` is a clause."""
        self._receiver.reconnect("displaced", why)
        self._receiver.hold()
        self._delivery.abandon()
        self._writer.look()
        self._doubted_at = self._seen_at = self._clock()

    def may_open(self) -> bool:
        """Whether a link may be opened where the last one ended: without a link, another process can have gone on. A
        store that does not answer delays this only shortly."""
        now = self._clock()
        if now < self._known_until:
            return True
        if self._asked_at is None and not self._vacant():
            return False
        if self._asked_at is None:
            self._writer.glance()
            self._asked_at = now
            return False
        glanced = self._writer.glanced
        if glanced is None and now - self._asked_at < ANSWER_SECONDS:
            return False
        self._asked_at = None
        if glanced is not None and self._ahead(glanced):
            self.doubt("another process has gone on meanwhile")
            return False
        return True

    def poll(self) -> None:
        self.awake()
        if self._writer.overtaken is not None and self._doubted_at is None:
            self.doubt("another process has saved a newer position of this partition")
        if self._doubted_at is None:
            if self._delivery.rewinds:
                self._receiver.rewind(*self._begin(self._mine))
            return
        if self._delivery.on_the_way and self._clock() - self._doubted_at < ACKS_SECONDS:
            return
        if not self._vacant():
            self._occupied = True
            return
        if self._occupied:
            self._occupied = False
            self._writer.look()
        looked = self._writer.looked()
        if looked is not None:
            self._go_on(looked)

    def _go_on(self, looked: Looked) -> None:
        mine, found = self._mine, looked.checkpoint
        if found is not None and self._ahead(looked):
            logger.warning(
                "Partition %s goes on behind sequence number %s, as another process has saved in %s; this one had come to %s.",
                self._partition,
                found.sequence_number,
                found.place,
                "nothing" if mine is None else mine.sequence_number,
            )
            self._identity.take(found)
            mine = found
        self._base, self._doubted_at, self._attaches = mine, None, self._receiver.attaches
        self._receiver.resume(*self._begin(mine))

    def _begin(self, mine: Checkpoint | None) -> tuple[StartAt, Position | None]:
        """Lets deliveries begin after a position, and returns where that is in the hub."""
        start, last = start_at(self._source, self._partition, mine)
        self._delivery.begin(last)
        return start, last

    @property
    def _mine(self) -> Checkpoint | None:
        """The position that this process knows to be safe."""
        return self.acknowledged or self._base

    def _ahead(self, looked: Looked) -> bool:
        """Whether another process has saved a newer position than ours."""
        mine, found = self._mine, looked.checkpoint
        return looked.changed and found is not None and (mine is None or further(found, mine))

    @property
    def acknowledged(self) -> Checkpoint | None:
        """Everything up to here is safe in Kafka; None until the first batch is."""
        position = self._delivery.position
        if position is None:
            return None
        created = self._identity.created_ms
        return Checkpoint(self._partition, position.offset, position.sequence_number, hub_created_ms=created)
