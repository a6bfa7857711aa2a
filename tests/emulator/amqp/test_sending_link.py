"""Credit, window and drain of a link that sends, against a client that counts: whatever the client asks for, in any order."""

from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.performatives import Attach, Flow, Transfer
from ingest.amqp.serial import advanced, distance
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.amqp.sending_link import SendingLink
from tests.emulator.wire import Wire

MOST = (1 << 32) - 1
counts = st.one_of(st.integers(0, 6), st.sampled_from((MOST, MOST - 1, 1 << 31)))
steps = st.one_of(
    st.tuples(st.just("flow"), counts, st.booleans(), st.booleans()),
    st.tuples(st.just("window"), counts),
    st.tuples(st.just("message"), st.sampled_from((1, 2000))),
)


class Queue(SendingLink):
    """Sends what is put in."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        super().__init__(session, attach)
        self.waiting: deque[bytes] = deque()

    def take(self, delivery_id: int) -> bytes | None:
        return self.waiting.popleft() if self.waiting else None


class Client:
    """The other end, which knows what it allowed and what it has got."""

    def __init__(self, first_delivery: int) -> None:
        self.wire = Wire(Queue, window=0, first_delivery=first_delivery)
        assert isinstance(self.wire.link, Queue)
        self.queue = self.wire.link
        self.count = self.credit = self.window = 0
        self.next_incoming = 1
        self.bodies: list[bytes] = []
        self.drained = False
        self._parts = b""
        self._next_delivery = first_delivery
        self.read()

    def flow(self, *, credit: int | None = None, drain: bool = False, window: int | None = None) -> None:
        self.credit = self.credit if credit is None else credit
        self.window = self.window if window is None else window
        self.drained = False
        flow = Flow(
            next_incoming_id=self.next_incoming,
            incoming_window=self.window,
            next_outgoing_id=0,
            outgoing_window=0,
            handle=None if credit is None else 0,
            delivery_count=None if credit is None else self.count,
            link_credit=credit,
            drain=drain,
        )
        self.wire.says(flow)
        self.read()

    def put(self, body: bytes) -> None:
        self.queue.waiting.append(body)
        self.queue.on_window()
        self.read()

    def read(self) -> None:
        while self.wire.written:
            performative, payload = self.wire.written.popleft()
            match performative:
                case Transfer():
                    self._take(performative, payload)
                case Flow(handle=0):
                    used = distance(performative.delivery_count or 0, self.count)
                    assert used % (1 << 32) == self.credit, "a drain gives all credit back"
                    assert performative.link_credit == 0
                    self.count, self.credit, self.drained = performative.delivery_count or 0, 0, True

    def _take(self, transfer: Transfer, payload: bytes) -> None:
        assert self.window > 0
        self.window -= 1
        self.next_incoming = advanced(self.next_incoming, 1)
        if not self._parts:
            assert self.credit > 0
            self.credit -= 1
            self.count = advanced(self.count, 1)
            assert transfer.delivery_id == self._next_delivery
            self._next_delivery = advanced(self._next_delivery, 1)
        self._parts += payload
        if not transfer.more:
            self.bodies.append(self._parts)
            self._parts = b""


@given(st.lists(steps, max_size=30), st.sampled_from((0, MOST, MOST - 3)))
def test_all_that_is_allowed_is_sent_in_order_and_nothing_else(sequence: list[Any], first_delivery: int) -> None:
    client = Client(first_delivery)
    sent: list[bytes] = []
    for step in sequence:
        match step:
            case ("flow", credit, drain, opened):
                client.flow(credit=credit, drain=drain, window=MOST if opened else None)
                assert client.drained or not drain or client.window == 0
            case ("window", window):
                client.flow(window=window)
            case ("message", size):
                sent.append(bytes((len(sent),)) * size)
                client.put(sent[-1])
        assert client.window == 0 or client.credit == 0 or len(client.bodies) == len(sent)
    client.flow(window=MOST)
    client.flow(credit=MOST)
    assert client.bodies == sent
