"""What the emulator knows about itself, as plain records."""

from dataclasses import dataclass, field

from ingest.emulator.conditions import THROTTLED, End


@dataclass(frozen=True)
class ReceiverStats:
    """One attached receiver."""

    consumer_group: str
    epoch: int | None
    credit: int
    next_sequence_number: int
    delivered: int


@dataclass(frozen=True)
class PartitionStats:
    """One partition. `last_*` are -1 while nothing was ever enqueued."""

    begin_sequence_number: int
    last_sequence_number: int
    last_offset: int
    attaches: int
    """Receivers that asked to attach since the start, refused ones included."""
    refused: int
    delivered: int
    """Deliveries to all receivers since the start."""
    receivers: tuple[ReceiverStats, ...]


@dataclass(frozen=True)
class C2dStats:
    """Cloud-to-device messages since the start."""

    accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """By AMQP condition; by faults of the emulator, too."""
    released: int = 0
    """Given back by a fault."""
    unanswered: int = 0
    """Accepted, and the sender not told, by a fault."""
    delivered: int = 0
    """Handed to devices; a message that is handed out again counts again."""
    ended: dict[str, int] = field(default_factory=dict)
    """Messages that have left their queue, by feedback status: `Success` for a message that the device completed."""
    queued: int = 0
    """Accepted and not ended, now."""
    service_links: int = 0
    """Attached now."""
    service_link_attaches: int = 0
    quota_used: int = 0
    """Messages of this UTC day, as the daily quota counts them."""
    feedback_records: int = 0
    feedback_batches_waiting: int = 0
    """Batches that nobody holds, now."""
    feedback_batches_completed: int = 0

    @property
    def throttled(self) -> int:
        return self.rejected.get(THROTTLED, 0)

    @property
    def completed(self) -> int:
        """Messages that their device completed."""
        return self.ended.get(End.COMPLETED, 0)


@dataclass(frozen=True)
class Stats:
    """`dataclasses.asdict` of it is JSON."""

    connections: int
    """Open now."""
    connections_accepted: int
    partitions: dict[str, PartitionStats]
    c2d: C2dStats = field(default_factory=C2dStats)

    @property
    def delivered(self) -> int:
        return sum(each.delivered for each in self.partitions.values())

    @property
    def attaches(self) -> int:
        return sum(each.attaches for each in self.partitions.values())

    @property
    def receivers(self) -> int:
        """Attached now."""
        return sum(len(each.receivers) for each in self.partitions.values())
