import pytest

from ingest.amqp.composites import Composite
from ingest.amqp.performatives import (
    RECEIVER,
    Accepted,
    Attach,
    Begin,
    Disposition,
    Flow,
    Modified,
    Rejected,
    Source,
    Target,
    Transfer,
)
from ingest.emulator.amqp.session import Session
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.feedback_link import FeedbackLink
from ingest.emulator.c2d.message import parse
from ingest.emulator.conditions import End
from tests.emulator.c2d_clock import NOW, message
from tests.emulator.wire import Wire

WRAP = 1 << 32


class Peer:
    """A client at the feedback link, with four batches on their way to it, from the delivery id `first`."""

    def __init__(self, first: int) -> None:
        self.feedback = Feedback("hub")
        for index in range(4):
            self.feedback.add(parse(message("d", ack="full", message_id=f"m{index}")), End.COMPLETED, NOW)
            self.feedback.flush(NOW)
        self.wire = Wire()
        begin = Begin(next_outgoing_id=0, incoming_window=100, outgoing_window=0)
        self.session = Session(self.wire, 0, begin)  # type: ignore[arg-type]  # all of a connection that a session needs
        self.session.next_delivery_id = first
        attach = Attach(name="f", handle=0, role=RECEIVER, source=Source(), target=Target())
        link = FeedbackLink(self.session, attach, self.feedback, lambda: NOW, {})
        self.session.links[0] = link
        link.accept()
        flow = Flow(
            incoming_window=100, next_outgoing_id=0, outgoing_window=0, handle=0, delivery_count=0, link_credit=4
        )
        self.session.handle(flow, b"")
        sent = [transfer for transfer, _ in self.wire.written if isinstance(transfer, Transfer)]
        self.numbers = list(dict.fromkeys(transfer.delivery_id or 0 for transfer in sent))

    def settle(self, first: int, last: int | None, state: Composite) -> None:
        self.session.handle(Disposition(role=RECEIVER, first=first, last=last, settled=True, state=state), b"")


@pytest.mark.parametrize("first", [0, WRAP - 1, WRAP - 2, (1 << 31) - 2])
def test_one_disposition_settles_a_range_wherever_the_numbers_begin_again(first: int) -> None:
    peer = Peer(first)
    assert peer.numbers == [(first + index) % WRAP for index in range(4)]
    peer.settle(peer.numbers[0], peer.numbers[2], Accepted())
    assert peer.feedback.batch_ends == {End.COMPLETED: 3}
    peer.settle(peer.numbers[3], None, Rejected())
    assert peer.feedback.batch_ends == {End.COMPLETED: 4}


@pytest.mark.parametrize("first", [0, WRAP - 2])
def test_a_range_that_ends_before_it_begins_settles_nothing(first: int) -> None:
    peer = Peer(first)
    peer.settle(peer.numbers[2], peer.numbers[1], Accepted())
    assert not peer.feedback.batch_ends


def test_what_is_abandoned_comes_again() -> None:
    peer = Peer(WRAP - 2)
    peer.settle(peer.numbers[0], peer.numbers[3], Modified(delivery_failed=True))
    assert not peer.feedback.batch_ends
    assert peer.feedback.waiting == 4
