"""A link that sends: credit, frames of deliveries, outcomes (AMQP 1.0 parts 2.6.7, 2.6.12). Sans-IO, either side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ingest.amqp.composites import Composite
from ingest.amqp.errors import WrongMove
from ingest.amqp.link import Link, LinkOwner
from ingest.amqp.performatives import SENDER, SETTLED, Attach, Disposition, Flow, Received
from ingest.amqp.serial import advanced, room
from ingest.amqp.transfers import TransferEncoder


class Sendable(NamedTuple):
    """The peer's flow has come, so there may be credit or window now; what is unsent of a delivery is out."""

    link: "Sender"


class Outcome(NamedTuple):
    """The peer has said what became of a delivery. Comes once for each delivery, and never for one that went out settled."""

    link: "Sender"
    delivery_id: int
    state: Composite | None
    """Accepted, Rejected, Released, Modified, or None where the peer has settled without a word."""


class Sender(Link):
    """Made by a session. Sends one message after the other."""

    sends = True

    def __init__(self, session: LinkOwner, handle: int, name: str, *, spelled_out: bool = False) -> None:
        """`spelled_out`: false is sent as false, as the service does, not left out, as its clients do."""
        super().__init__(session, handle, name)
        self.credit = 0
        """Deliveries that the peer allows."""
        self.delivery_count = 0
        self.draining = False
        """Whether the peer wants credit back that is not used at once; see `end_drain`."""
        self._spelled_out = spelled_out
        self._encoder: TransferEncoder | None = None
        self._unsent: list[bytes] = []
        """Frames of the delivery that is split, the next one last."""
        self._unsettled: dict[int, None] = {}
        self._early_flow: Flow | None = None
        """Some receivers grant credit without waiting for the answer to their attach."""

    @property
    def room(self) -> int:
        """How many messages can begin now."""
        if not self.attached or self._unsent:
            return 0
        return max(0, min(self.credit, self.session.window))

    @property
    def unsettled(self) -> list[int]:
        """Ids of the deliveries whose outcome is not known, oldest first."""
        return list(self._unsettled)

    def attach(self, attach: Attach) -> None:
        self.delivery_count = attach.initial_delivery_count or 0
        super().attach(attach)
        early, self._early_flow = self._early_flow, None
        if early is not None:
            self.on_flow(early)

    accept = attach

    def send(self, message: bytes) -> int:
        """Sends one message. Returns its delivery id. Raises WrongMove if there is no `room`."""
        if self.send_all((message,)) != 1:
            self.use("sending")
            raise WrongMove(f"The link {self.name:.100} has no credit for another message.")
        return advanced(self.session.next_delivery_id, -1)

    def send_all(self, messages: Sequence[bytes]) -> int:
        """Sends the first of them, as many as there is room for. Returns how many."""
        session, encoder = self.session, self._made_encoder()
        if not self._spelled_out:  # as the service's clients do, whose tags count the deliveries of the link
            encoder.tag_ahead = self.delivery_count + 1 - session.next_delivery_id
        sent = 0
        while sent < len(messages) and (most := self.room):
            out: list[bytes] = []
            whole, split = encoder.encode(out, session.next_delivery_id, messages[sent : sent + most])
            self._count(whole)
            if out:
                session.write_transfers(b"".join(out), whole)
            sent += whole
            if split:
                self._count(1)
                sent += 1
                self._unsent = split[::-1]
                self._send_rest()
        return sent

    def end_drain(self) -> None:
        """There is nothing to send: gives the rest of the credit back, if the peer wants that (part 2.6.7)."""
        if self.draining and self.attached:
            self.draining = False
            self.delivery_count = advanced(self.delivery_count, self.credit)
            self.credit = 0
            self.send_flow()

    def announce(self, link_credit: int) -> None:
        """Sends a flow with a number that means nothing for a sender, as azure-eventhub and uamqp do."""
        self.use("a flow")
        self.session.write_flow(handle=self.handle, delivery_count=self.delivery_count, link_credit=link_credit)

    def send_flow(self) -> None:
        """Tells the peer where this end of the link stands."""
        self.session.write_flow(
            handle=self.handle,
            delivery_count=self.delivery_count,
            link_credit=self.credit,
            available=0,
            drain=self.draining,
        )

    def on_flow(self, flow: Flow) -> None:
        if self.asked:
            self._early_flow = flow
        if not self.attached:
            return
        if flow.link_credit is not None:
            # A receiver that has not seen our attach yet counts from our first delivery.
            start = flow.delivery_count
            if start is None:
                start = (self.local.initial_delivery_count if self.local else None) or 0
            # A peer that counts more than was sent is not given more for it.
            self.credit = min(flow.link_credit, room(flow.link_credit, start, self.delivery_count))
            self.draining = bool(flow.drain)
        if flow.echo:
            self.send_flow()
        self.on_window()

    def on_window(self) -> None:
        if self.attached:
            self._send_rest()
            if not self._unsent:
                self.session.emit(Sendable(self))

    def on_disposition(self, delivery_id: int, disposition: Disposition) -> None:
        state, settled = disposition.state, bool(disposition.settled)
        if not settled and (state is None or isinstance(state, Received)):
            return  # it is still under way
        self.session.unwatch(self, delivery_id)
        self._unsettled.pop(delivery_id, None)
        if not settled:
            answer = Disposition(role=SENDER, first=delivery_id, last=delivery_id, settled=True, state=state)
            try:
                frame = self.session.frame(answer)
            except WrongMove:  # what the peer says is larger than what it takes
                frame = self.session.frame(replace(answer, state=None))
            self.session.write(frame)
        self.session.emit(Outcome(self, delivery_id, state))

    def dropped(self) -> None:
        self.credit = 0
        self._unsent = []
        for delivery_id in self._unsettled:
            self.session.unwatch(self, delivery_id)

    def _made_encoder(self) -> TransferEncoder:
        if self._encoder is None:
            self.use("sending")
            self._settles = self.local is not None and self.local.snd_settle_mode == SETTLED
            self._encoder = TransferEncoder(
                self.session.channel,
                self.handle,
                self.session.max_frame_size,
                settled=self._settles,
                spelled_out=self._spelled_out,
            )
        return self._encoder

    def _count(self, deliveries: int) -> None:
        """Books deliveries of which at least the first frame goes out now."""
        session = self.session
        if not self._settles:
            for number in range(deliveries):
                delivery_id = advanced(session.next_delivery_id, number)
                self._unsettled[delivery_id] = None
                session.watch(self, delivery_id)
        session.next_delivery_id = advanced(session.next_delivery_id, deliveries)
        self.delivery_count = advanced(self.delivery_count, deliveries)
        self.credit -= deliveries

    def _send_rest(self) -> None:
        """Sends what the window allows of the delivery that is split."""
        count = min(self.session.window, len(self._unsent))
        if count > 0:
            frames = self._unsent[: -count - 1 : -1]
            del self._unsent[-count:]
            self.session.write_transfers(b"".join(frames), count)
