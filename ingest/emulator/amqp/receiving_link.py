"""Links on which the client sends."""

from ingest.amqp.performatives import Attach
from ingest.amqp.receiver import Receiver
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner


class ReceivingLink(Link):
    """Subclasses grant credit, and settle what comes."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        super().__init__(session, attach)
        wire = session.wire
        assert isinstance(wire, Receiver), "the client asked for a link that it sends on"
        self.receiver = wire
