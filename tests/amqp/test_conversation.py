"""Client and server against each other: whatever both do, in any order, with bytes that come in any pieces.

What must hold is in `Model`: nothing is sent without credit or window, messages arrive whole and in order, each delivery is
settled once and as its receiver said, and whatever ends is told once to whom did not end it.
"""

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.amqp.connection import Closed, Event
from ingest.amqp.link import Detached, Link
from ingest.amqp.performatives import Accepted, Error, Modified, Rejected, Released
from ingest.amqp.receiver import Delivery, Receiver
from ingest.amqp.sender import Outcome, Sender
from ingest.amqp.session import Ended, SessionLimits
from tests.amqp.pair import Pair, asked, client, of, server, shown

MOST = (1 << 32) - 1
STATES = (Accepted(), Released(), Modified(delivery_failed=True), Rejected(error=Error(condition="a:b")))
SIZES = (0, 1, 300, 460, 480, 1500)
CREDITS = (0, 1, 2, 5, 100, MOST)

sides = st.integers(0, 1)
picks = st.integers(0, 5)
some_credit = st.sampled_from(CREDITS)
some_messages = st.lists(st.sampled_from(SIZES), min_size=1, max_size=4)
usual = st.one_of(
    st.tuples(st.just("move"), sides, st.one_of(st.none(), st.none(), st.integers(1, 700))),
    st.tuples(st.just("grant"), sides, picks, some_credit, st.booleans()),
    st.tuples(st.just("send"), sides, picks, some_messages),
    st.tuples(st.just("settle"), sides, picks, st.sampled_from(STATES)),
)
rare = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from((1, 2, 7))),
    st.tuples(st.just("attach"), sides, picks, st.booleans(), st.booleans()),
    st.tuples(st.just("drained"), sides, picks),
    st.tuples(st.just("detach"), sides, picks),
    st.tuples(st.just("end"), sides, picks),
)
steps = st.one_of(usual, usual, usual, rare)


class Model(Pair):
    def __init__(self, max_frame_size: int, window: int) -> None:
        super().__init__(client(max_frame_size=max_frame_size), server(window=window, max_frame_size=512))
        self.sent: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        """By link and the side that sends."""
        self.got: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.said: dict[tuple[str, int, int], object] = {}
        """What a receiver said of a delivery."""
        self.heard: dict[tuple[str, int, int], object] = {}
        self.over: tuple[set[Any], set[Any]] = (set(), set())
        """Links and sessions that this end has ended, or knows to be."""
        self.names = 0
        self.opened()
        self.act(("begin", window))
        self.settle()
        for side, sends, settled in ((0, True, False), (1, True, False), (0, False, True)):
            self.act(("attach", side, 0, sends, settled))
        self.settle()

    def move(self, to: int, count: int | None = None) -> list[Event]:
        events = super().move(to, count)
        for event in events:
            match event:
                case Delivery(link, delivery_id, message, settled):
                    assert link not in self.over[to]
                    key = link.name, 1 - to
                    self.got[key].append(message)
                    assert self.got[key] == self.sent[key][: len(self.got[key])]
                    assert settled == (link.name[0] == "s")
                case Outcome(link, delivery_id, state):
                    assert link not in self.over[to]
                    number = link.name, to, delivery_id
                    assert number not in self.heard, "settled twice"
                    assert self.said[number] == state
                    self.heard[number] = state
                case Detached(link, error):
                    assert error is None
                    assert link not in self.over[to], "told twice, or to who ended it"
                    self.over[to].add(link)
                case Ended(session, error):
                    assert error is None
                    assert session not in self.over[to]
                    assert not [link for link in session.links if link not in self.over[to]]
                    self.over[to].add(session)
                case Closed():
                    raise AssertionError(event)
        return events

    def links(self, side: int, kind: type[Link]) -> list[Any]:
        return [link for session in self.ends[side].sessions for link in session.links if isinstance(link, kind)]

    def act(self, step: Any) -> None:
        match step:
            case ("move", to, count):
                self.move(to, count)
            case ("begin", window):
                if len(self.ends[0].sessions) < 3:
                    self.ends[0].begin(SessionLimits(window=window, handle_max=63))
            case ("attach", side, pick, sends, settled):
                sessions = [each for each in self.ends[side].sessions if each.up and len(each.links) < 4]
                if sessions:
                    self.names += 1
                    attach = asked(sends=sends, name=f"{'su'[not settled]}{self.names}", settled=settled)
                    session = sessions[pick % len(sessions)]
                    (session.attach_sender if sends else session.attach_receiver)(attach)
            case ("grant", side, pick, credit, drain):
                for link in self._attached(side, pick, Receiver):
                    # More than 2^31 given back at once cannot be told from being behind (RFC 1982).
                    link.grant(min(credit, 100) if drain else credit, drain=drain)
            case ("send", side, pick, sizes):
                for link in self._attached(side, pick, Sender):
                    messages = [
                        bytes((len(self.sent[link.name, side]) + n & 255,)) * size for n, size in enumerate(sizes)
                    ]
                    before = link.credit
                    done = link.send_all(messages)
                    assert done <= before
                    self.sent[link.name, side] += messages[:done]
            case ("settle", side, pick, state):
                for link in self._attached(side, pick, Receiver):
                    for delivery_id in link.unsettled[:2]:
                        assert link.settle(delivery_id, state)
                        assert not link.settle(delivery_id, state), "settled twice"
                        self.said[link.name, 1 - side, delivery_id] = state
            case ("drained", side, pick):
                for link in self._attached(side, pick, Sender):
                    link.end_drain()
            case ("detach", side, pick):
                for link in self._attached(side, pick, Link):
                    link.detach()
                    self.over[side].add(link)
            case ("end", side, pick):
                for session in self.ends[side].sessions[pick : pick + 1]:
                    if session.up:
                        self.over[side].update(session.links, (session,))
                        session.end()

    def _attached(self, side: int, pick: int, kind: type[Link]) -> list[Any]:
        links = [link for link in self.links(side, kind) if link.attached]
        return [links[pick % len(links)]] if links else []

    def check_rest(self) -> None:
        """Once all is said: both sides think the same."""
        self.settle()
        sessions = [(len(end.sessions)) for end in self.ends]
        assert sessions[0] == sessions[1]
        for side in (0, 1):
            others = {link.name: link for link in self.links(1 - side, Receiver)}
            for link in self.links(side, Sender):
                other = others[link.name]
                key = link.name, side
                assert link.attached
                assert other.attached
                assert link.unsettled == other.unsettled
                assert self.got[key] == self.sent[key]
                assert (link.credit, link.delivery_count) == (other.credit, other.delivery_count)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=20, max_size=80), st.sampled_from((512, 600, 65_536)), st.sampled_from((1, 2, 7)))
def test_whatever_both_sides_do_they_agree(sequence: list[Any], max_frame_size: int, window: int) -> None:
    model = Model(max_frame_size, window)
    for step in sequence:
        model.act(step)
    model.check_rest()


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=30), st.lists(st.integers(1, 120), min_size=1))
def test_events_do_not_depend_on_where_the_bytes_are_cut(sequence: list[Any], cuts: list[int]) -> None:
    model = Model(65_536, 7)
    for step in sequence:
        model.act(step)
    model.settle()
    raw, pieces, at, turn = bytes(model.heard_by_server), list[bytes](), 0, 0
    while at < len(raw):
        pieces.append(raw[at : at + cuts[turn % len(cuts)]])
        at, turn = at + len(pieces[-1]), turn + 1
    assert _read(pieces) == _read([raw])
    assert "Begun" in _read(pieces)[1]


def _read(pieces: list[bytes]) -> list[str]:
    """What a server makes of them."""
    end = server(window=7, max_frame_size=512)
    return [shown(event) for piece in pieces for event in end.receive(piece)]


def test_a_sender_that_cannot_count_is_found_out() -> None:
    pair = Pair()
    link, end = pair.sending()
    end.grant(1)
    pair.settle()
    link.credit = 2
    link.send_all([b"a", b"b"])
    (detached,) = of(pair.move(1), Detached)
    assert detached.error.condition == "amqp:link:transfer-limit-exceeded"
