"""What the emulator knows about itself, as plain records."""

from dataclasses import dataclass


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
class Stats:
    """`dataclasses.asdict` of it is JSON."""

    connections: int
    """Open now."""
    connections_accepted: int
    partitions: dict[str, PartitionStats]

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
