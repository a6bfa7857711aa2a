"""The link on which services send to devices: target `/messages/devicebound`."""

from typing import Final

from ingest.amqp.composites import Composite
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import decode_message
from ingest.amqp.performatives import Accepted, Attach, Rejected, Released
from ingest.emulator import conditions
from ingest.emulator.amqp.authorization import IOT_HUB
from ingest.emulator.amqp.ports import LinkOwner, Peer
from ingest.emulator.amqp.receiving_link import ReceivingLink
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.message import device_of
from ingest.emulator.conditions import Condition, LinkRefused, error_of
from ingest.emulator.control.send_faults import Fate, SendFaults

PATH: Final = "messages/devicebound"
CREDIT: Final = 100
"""Messages that a service may have on their way, as the hub's gateway grants."""
SLACK: Final = 1_000
"""uamqp, the stock client below azure-iot-hub, sends beyond its credit with some hundred commands in flight."""


class ServiceLink(ReceivingLink):
    """Answers each message separately, in order: accepted, or rejected with the hub's condition."""

    auth_path = f"{IOT_HUB}/{PATH}"

    def __init__(self, session: LinkOwner, attach: Attach, hub: C2dHub, faults: SendFaults) -> None:
        super().__init__(session, attach)
        refusal = faults.attach_refusal()
        if refusal is not None:
            raise LinkRefused(refusal)
        self._hub = hub
        self._faults = faults

    @property
    def peer(self) -> Peer:
        return self.session.peer

    def accept(self) -> None:
        super().accept()
        self.receiver.slack = SLACK
        if self.attached:  # not if the client has sent something without waiting for credit
            self.receiver.grant(CREDIT)
        self._faults.joined(self)

    def on_closed(self) -> None:
        self._faults.left(self)

    def on_message(self, delivery_id: int, message: bytes, settled: bool) -> None:
        state = self._judge(message)
        if state is not None and not settled:
            self.receiver.settle(delivery_id, state)
        if self.attached and self.receiver.credit <= CREDIT // 2:
            self.receiver.grant(CREDIT)
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
