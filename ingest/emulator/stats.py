"""The emulator's figures, as plain records."""

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
    """One partition. `last_*` are -1 until the first event."""

    begin_sequence_number: int
    last_sequence_number: int
    last_offset: int
    attaches: int
    """Attaches of receivers since the start, refused ones included."""
    refused: int
    delivered: int
    """Deliveries to all receivers since the start."""
    receivers: tuple[ReceiverStats, ...]


@dataclass(frozen=True)
class C2dStats:
    """Cloud-to-device messages since the start."""

    accepted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """By AMQP condition; includes rejections by faults of the emulator."""
    released: int = 0
    """Answered with `released` by a fault."""
    unanswered: int = 0
    """Accepted without an answer to the sender, by a fault."""
    delivered: int = 0
    """Delivered to devices; a message that is delivered again counts again."""
    ended: dict[str, int] = field(default_factory=dict)
    """Messages that have left their queue, by feedback status: `Success` means completed by the device."""
    queued: int = 0
    """Accepted and not ended, now."""
    service_links: int = 0
    """Links attached now."""
    service_link_attaches: int = 0
    quota_used: int = 0
    """Messages of this UTC day, as the daily quota counts them."""
    feedback_records: int = 0
    feedback_batches_waiting: int = 0
    """Batches that are not locked, now."""
    feedback_batches_completed: int = 0

    @property
    def throttled(self) -> int:
        return self.rejected.get(THROTTLED, 0)

    @property
    def completed(self) -> int:
        """Number of messages that their device completed."""
        return self.ended.get(End.COMPLETED, 0)


@dataclass(frozen=True)
class Stats:
    """The figures of the whole emulator. `dataclasses.asdict` makes JSON of it."""

    connections: int
    """Connections open now."""
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
        """Number of receivers attached now."""
        return sum(len(each.receivers) for each in self.partitions.values())
