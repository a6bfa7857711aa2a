import pytest

from ingest.amqp.composites import Composite
from ingest.amqp.performatives import (
    RECEIVER,
    Accepted,
    Disposition,
    Flow,
    Modified,
    Rejected,
    Transfer,
)
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
        self.wire = Wire(
            lambda session, attach: FeedbackLink(session, attach, self.feedback, lambda: NOW, {}),
            window=100,
            first_delivery=first,
        )
        flow = Flow(
            incoming_window=100, next_outgoing_id=0, outgoing_window=0, handle=0, delivery_count=0, link_credit=4
        )
        self.wire.says(flow)
        sent = [transfer for transfer, _ in self.wire.written if isinstance(transfer, Transfer)]
        self.numbers = list(dict.fromkeys(transfer.delivery_id or 0 for transfer in sent))

    def settle(self, first: int, last: int | None, state: Composite) -> None:
        self.wire.says(Disposition(role=RECEIVER, first=first, last=last, settled=True, state=state))


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
