"""One record of a command topic, on its way from Kafka to the hub: what is known of it, and how it ends."""

from confluent_kafka import Message

from ingest.sink.commands.command import Command, Origin
from ingest.sink.intake.offsets import OffsetTracker


class Ticket:
    """Handed along with its command, from reading until `finish`; a holder needs no other record of it.

    It belongs to one assignment of its partition. Once that has gone to another process, or was replaced, `finish` has
    no effect there.
    """

    __slots__ = ("_offsets", "bytes", "command", "dropped", "finished", "offered_at", "origin", "record", "taken_at")

    def __init__(
        self,
        origin: Origin,
        record: Message | None = None,
        offsets: OffsetTracker | None = None,
        command: Command | None = None,
    ) -> None:
        """`record`: None if only its place is left. `offsets`: of the partition; None: they are not tracked."""
        self.origin = origin
        self.record = record
        self._offsets = offsets
        self.command: Command
        """Unset until the record is parsed."""
        if command is not None:
            self.command = command
        self.finished = False
        self.bytes = 0
        """Its memory while it waits, with all that is kept for it."""
        self.offered_at = 0.0
        """When its wait began, monotonic seconds."""
        self.taken_at: float | None = None
        """When it was taken to be sent; None unless it is in flight."""
        self.dropped = False
        """Whether its partition went to another process while it was in flight: it is not tried again."""

    @property
    def device_id(self) -> str:
        return self.command.device_id

    def belongs_to(self, offsets: OffsetTracker | None) -> bool:
        """Whether its end counts in these offsets."""
        return offsets is not None and self._offsets is offsets

    def finish(self) -> None:
        """Notes that the hub has it or its dead letter is acknowledged: nothing is left to do, and its offset may be
        committed. Later calls change nothing."""
        if not self.finished:
            self.finished = True
            if self._offsets is not None:
                self._offsets.finish(self.origin.offset)
