"""One link of a session, seen from the server: attach, credit, detach (AMQP 1.0 part 2.6)."""

from ingest.amqp.performatives import (
    RECEIVER,
    SENDER,
    SETTLED,
    UNSETTLED,
    Attach,
    Detach,
    Disposition,
    Flow,
    Source,
    Target,
    Transfer,
)
from ingest.amqp.serial import room
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.conditions import Condition, error_of

MAX_MESSAGE_BYTES = 1_048_576


class Link:
    """Base of all links. Subclasses say what happens on flow, on a message, and when the link is gone."""

    auth_path: str | None = None
    """Path that the connection needs a valid token for as long as this link lives; None: for nothing."""
    sends_settled = True
    """Of a link that sends: whether the peer need not tell what became of a delivery."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        """May raise LinkRefused."""
        self.session = session
        self.name = attach.name
        self.handle = attach.handle
        self.sends = attach.role is RECEIVER
        """Whether this end is the sender."""
        self.credit = 0
        self.delivery_count = 0 if self.sends else attach.initial_delivery_count or 0
        self.attached = False
        self._attach = attach

    def accept(self) -> None:
        """Answer the attach: yes."""
        asked = self._attach
        self.attached = True
        self.session.write(
            Attach(
                name=asked.name,
                handle=self.handle,
                role=SENDER if self.sends else RECEIVER,
                snd_settle_mode=(SETTLED if self.sends_settled else UNSETTLED) if self.sends else asked.snd_settle_mode,
                rcv_settle_mode=asked.rcv_settle_mode,
                source=asked.source or Source(),
                target=asked.target or Target(),
                initial_delivery_count=0 if self.sends else None,
                max_message_size=MAX_MESSAGE_BYTES,
                properties=asked.properties,
            )
        )

    def detach(self, condition: Condition) -> None:
        """End the link from this side, with an error."""
        if not self.attached:
            return
        self.session.write(Detach(handle=self.handle, closed=True, error=error_of(condition)))
        self.session.forget(self.handle)

    def on_flow(self, flow: Flow) -> None:
        """The peer's view of the link arrived; for a sending link this is where credit comes from."""
        if not self.sends or flow.link_credit is None:
            return
        self.credit = room(flow.link_credit, flow.delivery_count or 0, self.delivery_count)

    def send_flow(self) -> None:
        """Tell the peer where this end of the link stands."""
        self.session.write_flow(handle=self.handle, delivery_count=self.delivery_count, link_credit=self.credit)

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """A frame with (a part of) a message arrived; only links that do not send get one."""

    def on_disposition(self, disposition: Disposition) -> None:
        """The peer tells what became of deliveries of its session, perhaps of this link; not if all go out settled."""

    def on_window(self) -> None:
        """There may be room to send again: session window, transport, or the log grew."""

    def on_closed(self) -> None:
        """The link is gone; called once, whoever ended it."""
