"""Links that send to the client: as much as credit, session window and transport allow, and the drain of credit."""

from ingest.amqp.performatives import Attach
from ingest.amqp.sender import Sender
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner


class SendingLink(Link):
    """Sends whatever `take` gives, one message at a time, as far as the client lets it."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        super().__init__(session, attach)
        wire = session.wire
        assert isinstance(wire, Sender), "the client asked for a link that it receives on"
        self.sender = wire

    @property
    def credit(self) -> int:
        return self.sender.credit

    def take(self, delivery_id: int) -> bytes | None:
        """The next message, which goes out as that delivery; None when there is none now."""
        return None

    def on_window(self) -> None:
        sender = self.sender
        while self.can_write():
            if sender.room <= 0 or (payload := self.take(sender.session.next_delivery_id)) is None:
                if sender.room > 0 or sender.credit <= 0:
                    sender.end_drain()
                return
            sender.send(payload)

    def can_write(self) -> bool:
        """Whether messages may go out now, as far as this end is concerned."""
        return self.attached and self.session.writable
