"""A service frame by frame: the raw client on the links of cloud-to-device messages."""

import base64
import time
import uuid

from ingest.amqp.composites import Composite
from ingest.amqp.message import Message
from ingest.amqp.performatives import (
    RECEIVER,
    SENDER,
    Attach,
    Disposition,
    Error,
    Flow,
    Rejected,
    Source,
    Target,
    Transfer,
)
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from tests.emulator.raw_client import RawClient

HOST = "localhost"
DEVICEBOUND = "amqps://localhost/messages/devicebound"
_LARGEST_PART = 60_000
FEEDBACK = "amqps://localhost/messages/serviceBound/feedback"


def service_token(emulator: Emulator, *, key: str = "", expiry: int | None = None, resource: str = HOST) -> str:
    secret = base64.b64decode(key or emulator.keys.service)
    return sign(resource, secret, int(time.time()) + 3600 if expiry is None else expiry, POLICY)


def authorize(client: RawClient, emulator: Emulator) -> None:
    assert client.put_token(f"https://{HOST}", service_token(emulator)) == (200, "OK")


class Service:
    """A sending link on handle 0 of a raw client that is authorized."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self._next = 1
        client.send(
            Attach(
                name=uuid.uuid4().hex,
                handle=0,
                role=SENDER,
                rcv_settle_mode=1,
                source=Source(address="me"),
                target=Target(address=DEVICEBOUND),
                initial_delivery_count=0,
            )
        )

    def accepted(self) -> Flow:
        """The first flow of the link that was granted."""
        answer = self.client.receive_attach()
        assert answer.target is not None
        assert answer.role is RECEIVER
        return self.client.receive(Flow)

    def send(self, message: Message | bytes, *, parts: int = 1, settled: bool = False) -> int:
        """Send in `parts` frames or, if it is too large for them, more, without waiting; returns the delivery id."""
        payload = message if isinstance(message, bytes) else message.encode()
        number, self._next = self._next, self._next + 1
        size = min(_LARGEST_PART, -(-len(payload) // parts) or 1)
        pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
        for index, piece in enumerate(pieces):
            first = index == 0
            self.client.send(
                Transfer(
                    handle=0,
                    delivery_id=number if first else None,
                    delivery_tag=b"%d" % number if first else None,
                    settled=settled,
                    more=index < len(pieces) - 1,
                ),
                piece,
            )
        return number

    def outcome(self, number: int) -> Composite | None:
        """The hub's answer, which must be the next one."""
        answer = self.client.receive(Disposition)
        assert (answer.role, answer.first, answer.last, answer.settled) == (RECEIVER, number, number, True)
        return answer.state

    def refusal(self, message: Message | bytes) -> Error:
        """The error by which this message is rejected."""
        state = self.outcome(self.send(message))
        assert isinstance(state, Rejected)
        assert isinstance(state.error, Error)
        return state.error


def attach_feedback(client: RawClient, credit: int = 10) -> Attach:
    """A receiver of feedback on handle 1."""
    client.attach_address(FEEDBACK, selector=None, handle=1, rcv_settle_mode=1)
    answer = client.receive_attach()
    client.flow(1, credit)
    return answer
