"""The link on which services send to devices: target `/messages/devicebound`."""

from typing import Final

from ingest.amqp.composites import Composite
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import decode_message
from ingest.amqp.performatives import RECEIVER, Accepted, Attach, Disposition, Rejected, Released, Transfer
from ingest.amqp.serial import advanced
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import IOT_HUB
from ingest.emulator.amqp.link import MAX_MESSAGE_BYTES, Link
from ingest.emulator.amqp.ports import LinkOwner, Peer
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.message import device_of
from ingest.emulator.conditions import Condition, LinkRefused, error_of
from ingest.emulator.control.send_faults import Fate, SendFaults

PATH: Final = "messages/devicebound"
CREDIT: Final = 100
"""Messages that a service may have on their way, as the hub's gateway grants."""


class ServiceLink(Link):
    """Answers each message separately, in order: accepted, or rejected with the hub's condition."""

    auth_path = f"{IOT_HUB}/{PATH}"

    def __init__(self, session: LinkOwner, attach: Attach, hub: C2dHub, faults: SendFaults) -> None:
        super().__init__(session, attach)
        refusal = faults.attach_refusal()
        if refusal is not None:
            raise LinkRefused(refusal)
        self._hub = hub
        self._faults = faults
        self._parts: list[bytes] = []
        self._size = 0
        self._delivery_id = 0
        self._settled = False

    @property
    def peer(self) -> Peer:
        return self.session.peer

    def accept(self) -> None:
        super().accept()
        self.credit = CREDIT
        self.send_flow()
        self._faults.joined(self)

    def on_closed(self) -> None:
        self._faults.left(self)

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        if transfer.delivery_id is not None:
            self._delivery_id = transfer.delivery_id
        self._settled = self._settled or bool(transfer.settled)
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > MAX_MESSAGE_BYTES:
            self.detach(conditions.message_too_large(self._size, MAX_MESSAGE_BYTES))
            return
        if transfer.more and not transfer.aborted:
            return
        raw, self._parts, self._size = b"".join(self._parts), [], 0
        settled, self._settled = self._settled, False
        self.delivery_count = advanced(self.delivery_count, 1)
        self.credit -= 1
        if not transfer.aborted:
            state = self._judge(raw)
            if state is not None and not settled:
                self._answer(state)
        if self.credit <= CREDIT // 2:
            self.credit = CREDIT
            self.send_flow()
        self._faults.taken(self)

    def _judge(self, raw: bytes) -> Composite | None:
        """Returns the answer for the sender; None: no answer."""
        try:
            message = decode_message(raw)
        except AmqpError as error:
            return self._rejected(conditions.bad_message(str(error)))
        fate = self._faults.fate(device_of(message) or "")
        match fate:
            case (Fate.REJECT, Condition() as condition):
                return self._rejected(condition)
            case (Fate.RELEASE, _):
                return Released()
        refusal = self._hub.send(message)
        if fate is not None:
            return None
        return Accepted() if refusal is None else Rejected(error=error_of(refusal))

    def _rejected(self, condition: Condition) -> Composite:
        self._hub.count_rejected(condition)
        return Rejected(error=error_of(condition))

    def _answer(self, state: Composite) -> None:
        number = self._delivery_id
        self.session.write(Disposition(role=RECEIVER, first=number, last=number, settled=True, state=state))
