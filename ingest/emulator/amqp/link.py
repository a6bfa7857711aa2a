"""One link of the hub: what it says yes to, and what it does when something comes. AMQP itself is `ingest.amqp`'s."""

from ingest.amqp.composites import Composite
from ingest.amqp.link import MAX_MESSAGE_BYTES
from ingest.amqp.performatives import RECEIVER, SENDER, SETTLED, UNSETTLED, Attach, Source, Target
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.conditions import Condition, error_of


class Link:
    """Base of all links. Subclasses say what happens on a message, when there is room, and when the link is gone."""

    auth_path: str | None = None
    """Path that the connection needs a valid token for as long as this link lives; None: for nothing."""
    sends_settled = True
    """Of a link that sends: whether the peer need not tell what became of a delivery."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        """May raise LinkRefused."""
        self.session = session
        self.name = attach.name
        self.sends = attach.role is RECEIVER
        """Whether this end is the sender."""
        self._attach = attach

    @property
    def handle(self) -> int:
        """This end's number of the link."""
        return self.session.wire.handle

    @property
    def channel(self) -> int:
        """This end's number of the session."""
        return self.session.wire.session.channel

    @property
    def attached(self) -> bool:
        return self.session.wire.attached

    def accept(self) -> None:
        """Answer the attach: yes."""
        asked = self._attach
        self.session.wire.accept(
            Attach(
                name=asked.name,
                handle=asked.handle,
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
        self.session.wire.detach(error_of(condition))
        self.session.forget()

    def on_message(self, delivery_id: int, message: bytes, settled: bool) -> None:
        """A whole message has come; only links that do not send get one. `settled`: the peer waits for no answer."""

    def on_outcome(self, delivery_id: int, state: Composite | None) -> None:
        """The peer tells what became of a delivery; not if all go out settled."""

    def on_window(self) -> None:
        """There may be room to send again: credit, session window, transport, or the log grew."""

    def on_closed(self) -> None:
        """The link is gone; called once, whoever ended it."""
