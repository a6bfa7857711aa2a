"""Transfers that are cut out of the stream here, and everything else by the connection: the same as if it did all."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.amqp.receiver import Receiver
from ingest.amqp.sender import Sender
from ingest.source.transport.frames import TransferSplitter
from tests.amqp.pair import Pair, asked

CREDIT = 40
steps = st.one_of(
    st.tuples(st.just("send"), st.lists(st.sampled_from((0, 3, 400, 1_500)), min_size=1, max_size=5)),
    st.tuples(st.just("flow"), st.booleans()),
    st.tuples(st.just("other link"), st.integers(1, 3)),
)


class Cut:
    """A client that cuts the stream itself, and a hub."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.link, self.hub_end = self.pair.receiving()
        session = self.pair.ends[0].sessions[0]
        self.other = session.attach_receiver(asked(sends=False, name="other"))
        self.pair.settle()
        self.link.grant(CREDIT)
        self.other.grant(CREDIT)
        self.pair.settle()
        assert self.link.remote_handle is not None
        self.transfers = TransferSplitter(self.link.remote_handle, 65_536)
        assert self.pair.ends[0].take_over() == b""
        self.messages: list[bytes] = []
        self.events: list[Any] = []

    def take(self, data: bytes) -> None:
        before = self.transfers.frames
        found = self.transfers.feed(data)
        self.messages += [buf[start:end] for buf, start, end in found]
        self.link.count(self.transfers.frames - before, len(found))
        others, self.transfers.others = self.transfers.others, []
        for frame in others:
            self.events += self.pair.ends[0].receive(frame)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(st.integers(1, 900), min_size=1))
def test_messages_books_and_other_frames(sequence: list[Any], cuts: list[int]) -> None:
    cut = Cut()
    hub = cut.pair.ends[1]
    others = [link for link in hub.sessions[0].links if link.name == "other"]
    assert isinstance(others[0], Sender)
    sent: list[bytes] = []
    elsewhere: list[bytes] = []
    for step in sequence:
        match step:
            case ("send", sizes):
                messages = [bytes((len(sent) + n,)) * size for n, size in enumerate(sizes)]
                sent += messages[: cut.hub_end.send_all(messages)]
            case ("flow", of_link):
                if of_link:
                    cut.hub_end.send_flow()
                else:
                    hub.sessions[0].write_flow()
            case ("other link", count):
                messages = [b"elsewhere"] * count
                elsewhere += messages[: others[0].send_all(messages)]
    stream, turn = hub.data_to_send(), 0
    while stream:
        size = cuts[turn % len(cuts)]
        cut.take(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert cut.messages == sent
    assert [event.message for event in cut.events] == elsewhere
    assert isinstance(cut.link, Receiver)
    assert (cut.link.credit, cut.link.delivery_count) == (cut.hub_end.credit, cut.hub_end.delivery_count)
    assert cut.other.credit == others[0].credit
    cut.link.grant(CREDIT)
    hub.receive(cut.pair.ends[0].data_to_send())
    assert cut.hub_end.credit == CREDIT
    assert hub.sessions[0].window == cut.pair.ends[0].sessions[0].incoming_window
