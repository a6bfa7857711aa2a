"""One record of a command topic, on its way from Kafka to the hub: what is known of it, and how it ends."""

from confluent_kafka import Message

from ingest.sink.commands.command import Command, Origin
from ingest.sink.intake.offsets import OffsetTracker


class Ticket:
    """Handed along with its command, from reading until `finish`; whoever has it needs no other book of it.

    It belongs to one assignment of its partition. When that has gone to another process, or begins anew, `finish` changes
    nothing there any more.
    """

    __slots__ = ("_offsets", "bytes", "command", "dropped", "finished", "offered_at", "origin", "record", "taken_at")

    def __init__(
        self,
        origin: Origin,
        record: Message | None = None,
        offsets: OffsetTracker | None = None,
        command: Command | None = None,
    ) -> None:
        """`record`: None when nothing is left of it but its place. `offsets`: of the partition; None: nobody keeps them."""
        self.origin = origin
        self.record = record
        self._offsets = offsets
        self.command: Command
        """Unset until the record is parsed."""
        if command is not None:
            self.command = command
        self.finished = False
        self.bytes = 0
        """What it takes in memory while it waits, with all that is kept for it."""
        self.offered_at = 0.0
        """Since when it waits, monotonic seconds."""
        self.taken_at: float | None = None
        """When it was taken to be sent; None unless it is in flight."""
        self.dropped = False
        """Its partition went to another process while it was in flight: it is not tried again."""

    @property
    def device_id(self) -> str:
        return self.command.device_id

    def belongs_to(self, offsets: OffsetTracker | None) -> bool:
        """Whether its end counts in this book."""
        return offsets is not None and self._offsets is offsets

    def finish(self) -> None:
        """The hub has it or its dead letter is acknowledged: nothing more is to be done, and its offset may be committed.
        Once: later calls change nothing."""
        if not self.finished:
            self.finished = True
            if self._offsets is not None:
                self._offsets.finish(self.origin.offset)
