"""A link that receives: credit, messages out of frames, settlement (AMQP 1.0 parts 2.6.7, 2.6.12, 2.6.14). Sans-IO."""

from typing import NamedTuple

from ingest.amqp.composites import Composite
from ingest.amqp.errors import PeerMistake
from ingest.amqp.link import INVALID_FIELD, MAX_MESSAGE_BYTES, Link, LinkOwner
from ingest.amqp.performatives import RECEIVER, Attach, Disposition, Error, Flow, Transfer
from ingest.amqp.serial import advanced

TRANSFER_LIMIT = "amqp:link:transfer-limit-exceeded"
TOO_LARGE = "amqp:link:message-size-exceeded"


class Delivery(NamedTuple):
    """A whole message has come."""

    link: "Receiver"
    delivery_id: int
    message: bytes
    settled: bool
    """Whether the sender does not want to be told what became of it."""


class Settled(NamedTuple):
    """The sender has forgotten a delivery that was not settled."""

    link: "Receiver"
    delivery_id: int


class Receiver(Link):
    """Made by a session. Gives whole messages as `Delivery` events.

    Or none at all: who cuts the transfers of this link out of the stream himself books them with `count`.
    """

    sends = False

    def __init__(
        self, session: LinkOwner, handle: int, name: str, *, max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        super().__init__(session, handle, name)
        self.credit = 0
        """Deliveries that the peer can still send."""
        self.delivery_count = 0
        self.slack = 0
        """Deliveries beyond the credit that are taken all the same."""
        self._allowed = 0
        """As `credit`, but of the most generous grant: a sender can have used that before it hears of a smaller one."""
        self._max_message_bytes = max_message_bytes
        self._parts: bytearray | None = None
        """Of the message that has begun and not ended."""
        self._unfinished = False
        """Whether one has that went past the connection."""
        self._overrun = False
        """Whether something came before the link was attached, and so without credit."""
        self._delivery_id = 0
        self._settled = False
        self._unsettled: dict[int, None] = {}

    @property
    def unsettled(self) -> list[int]:
        """Ids of the deliveries that the sender waits for, oldest first."""
        return list(self._unsettled)

    def grant(self, credit: int, *, drain: bool = False) -> None:
        """Lets the peer send `credit` deliveries from now on, whatever it was granted before.

        `drain`: what it cannot use at once it gives back.
        """
        self.use("granting credit")
        self.credit = credit
        self._allowed = max(self._allowed, credit)
        self.session.write_flow(
            handle=self.handle,
            delivery_count=self.delivery_count,
            link_credit=credit,
            drain=True if drain else None,
        )

    def settle(self, delivery_id: int, state: Composite) -> bool:
        """Tells the sender what became of a delivery. Returns False if it waits for that no more: nothing is sent then."""
        if not self.attached or not self.session.unwatch(self, delivery_id):
            return False
        self._unsettled.pop(delivery_id, None)
        frame = Disposition(role=RECEIVER, first=delivery_id, last=delivery_id, settled=True, state=state)
        self.session.write(self.session.frame(frame))
        return True

    def count(self, frames: int, deliveries: int, *, unfinished: bool = False) -> None:
        """Books transfer frames of this link, and the deliveries that they complete, which went past the connection.

        `unfinished`: whether the last of them belongs to a delivery of which more is to come. Raises PeerMistake if the peer
        was not allowed that many.
        """
        self._unfinished = unfinished
        self.session.count_incoming(frames)
        if deliveries > self._allowed:
            raise PeerMistake(
                TRANSFER_LIMIT,
                f"{deliveries} deliveries came on the link {self.name:.100}, of {self._allowed} granted.",
            )
        self._use(deliveries)

    def attach(self, attach: Attach) -> None:
        super().attach(attach)
        if self._overrun:
            self.fail(Error(condition=TRANSFER_LIMIT, description="A transfer came before the link was attached."))

    accept = attach

    def on_attach(self, attach: Attach) -> None:
        self.delivery_count = attach.initial_delivery_count or 0
        super().on_attach(attach)

    def on_flow(self, flow: Flow) -> None:
        if not self.attached:
            return
        if flow.delivery_count is not None and self._parts is None and not self._unfinished:
            # The sender gives credit back; it cannot give back more than it has.
            skipped = advanced(flow.delivery_count, -self.delivery_count)
            if 0 < skipped <= self._allowed:
                self._use(skipped)
        if flow.echo:
            self.session.write_flow(
                handle=self.handle, delivery_count=self.delivery_count, link_credit=self.credit, drain=flow.drain
            )

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        if not self.attached:
            self._overrun = self.asked  # else it was on its way when this side ended the link
            return
        if self._parts is None and not self._begin(transfer):
            return
        if transfer.delivery_id is not None and transfer.delivery_id != self._delivery_id:
            text = f"Delivery {transfer.delivery_id} begins before delivery {self._delivery_id} is whole."
            self.fail(Error(condition=INVALID_FIELD, description=text))
            return
        parts = self._parts
        if parts is None:
            return
        parts += payload
        self._settled = self._settled or bool(transfer.settled)
        if len(parts) > self._max_message_bytes:
            text = f"The message of {len(parts)} bytes or more is above the limit of {self._max_message_bytes} bytes."
            self.fail(Error(condition=TOO_LARGE, description=text))
        elif transfer.aborted:
            self._parts = None
        elif not transfer.more:
            self._parts = None
            if not self._settled:
                if self._delivery_id in self._unsettled or not self.session.watch(self, self._delivery_id):
                    text = f"Delivery {self._delivery_id} comes again before it is settled."
                    self.fail(Error(condition=INVALID_FIELD, description=text))
                    return
                self._unsettled[self._delivery_id] = None
            self.session.emit(Delivery(self, self._delivery_id, bytes(parts), self._settled))

    def _use(self, deliveries: int) -> None:
        self._allowed -= deliveries
        self.credit = max(0, self.credit - deliveries)
        self.delivery_count = advanced(self.delivery_count, deliveries)

    def _begin(self, transfer: Transfer) -> bool:
        if transfer.delivery_id is None:
            text = "The first transfer of a delivery has no delivery-id."
            self.fail(Error(condition=INVALID_FIELD, description=text))
            return False
        if self._allowed + self.slack <= 0:
            text = f"Delivery {transfer.delivery_id} came without credit."
            self.fail(Error(condition=TRANSFER_LIMIT, description=text))
            return False
        self._use(1)
        self._delivery_id = transfer.delivery_id
        self._settled = False
        self._parts = bytearray()
        return True

    def on_disposition(self, delivery_id: int, disposition: Disposition) -> None:
        if disposition.settled:
            self.session.unwatch(self, delivery_id)
            self._unsettled.pop(delivery_id, None)
            self.session.emit(Settled(self, delivery_id))

    def dropped(self) -> None:
        self.credit = self._allowed = 0
        self._parts = None
        for delivery_id in self._unsettled:
            self.session.unwatch(self, delivery_id)
