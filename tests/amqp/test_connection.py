"""What one side makes of a peer that does not keep to the rules, says nothing, or says why it goes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.amqp.composites import Composite
from ingest.amqp.connection import Closed, Connection, Opened
from ingest.amqp.errors import WrongMove
from ingest.amqp.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameSplitter,
    decode_body,
    encode_frame,
)
from ingest.amqp.link import AttachAsked, Attached, Detached
from ingest.amqp.performatives import (
    RECEIVER,
    Accepted,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Transfer,
)
from ingest.amqp.receiver import Delivery, Receiver
from ingest.amqp.sasl import EXTERNAL, PLAIN, SaslClient, plain
from ingest.amqp.sender import Outcome, Sendable, Sender
from ingest.amqp.session import MOST_LINKS, Ended, SessionLimits
from tests.amqp.pair import Clock, Pair, asked, client, of, server
from tests.amqp.test_frames import PERFORMATIVES

WORDS = "The reason, in the words of the peer: " + "x" * 2000


def said(end: Connection) -> list[Composite]:
    """What an end wants to send, without heartbeats and payloads."""
    items = FrameSplitter(1 << 20).feed(end.data_to_send())
    return [decode_body(item.body)[0] for item in items if isinstance(item, Frame) and item.body]


def flow(**fields: Any) -> Flow:
    return Flow(**{"next_incoming_id": 1, "incoming_window": 9, "next_outgoing_id": 0, "outgoing_window": 9, **fields})


CLOSES: dict[str, tuple[bytes, str]] = {
    "garbage": (b"\xff" * 16, "amqp:decode-error"),
    "a frame larger than agreed": (b"\x7f\x00\x00\x00\x02\x00\x00\x00", "amqp:decode-error"),
    "an unknown performative": (b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x99\x45", "amqp:decode-error"),
    "a value cut short": (b"\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x53\x12", "amqp:decode-error"),
    "open twice": (encode_frame(0, Open(container_id="c")), "amqp:connection:framing-error"),
    "no session": (encode_frame(5, flow()), "amqp:decode-error"),
    "begin on a channel in use": (
        encode_frame(0, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        "amqp:decode-error",
    ),
    "begin on a channel above the limit": (
        encode_frame(40_000, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        "amqp:decode-error",
    ),
    "an answer to no begin": (
        encode_frame(1, Begin(remote_channel=9, next_outgoing_id=0, incoming_window=1, outgoing_window=1)),
        "amqp:connection:framing-error",
    ),
    "a handle above the limit": (
        encode_frame(0, Attach(name="n", handle=64, role=True)),
        "amqp:connection:framing-error",
    ),
    "a handle in use": (encode_frame(0, Attach(name="n", handle=0, role=True)), "amqp:connection:framing-error"),
    "SASL once more": (
        encode_frame(0, SaslOutcome(code=0), kind=SASL_FRAME),
        "amqp:decode-error",
    ),
    "a record that is no performative": (encode_frame(0, Accepted()), "amqp:connection:framing-error"),
    "a header once more": (AMQP_HEADER, "amqp:connection:framing-error"),
}


@pytest.mark.parametrize("name", CLOSES)
def test_a_mistake_closes_the_connection_by_its_name(name: str) -> None:
    raw, condition = CLOSES[name]
    pair = Pair(theirs=server(channel_max=9))
    link, _ = pair.sending()
    events: list[Any] = pair.ends[1].receive(raw)
    assert [type(event) for event in events] == [Detached, Ended, Closed]
    error = events[-1].error
    assert isinstance(error, Error)
    assert (error.condition, events[-1].by_peer) == (condition, False)
    assert error.description
    assert said(pair.ends[1]) == [Close(error=error)]
    assert not pair.ends[1].finished
    # What the client still sends is not looked at, but for its close.
    assert pair.ends[1].receive(encode_frame(0, Begin(next_outgoing_id=0, incoming_window=1, outgoing_window=1))) == []
    assert pair.ends[1].receive(encode_frame(0, Close())) == []
    assert pair.ends[1].finished
    assert said(pair.ends[1]) == []
    del link


SESSION_ENDS: dict[str, tuple[list[Composite], str]] = {
    "a transfer to no link": ([Transfer(handle=9, delivery_id=0)], "amqp:session:unattached-handle"),
    "a transfer to a link that sends": ([Transfer(handle=1, delivery_id=0)], "amqp:session:unattached-handle"),
    "more transfers than the window": (
        [Transfer(handle=0, delivery_id=0, more=True)] * 101,
        "amqp:session:window-violation",
    ),
}


@pytest.mark.parametrize("name", SESSION_ENDS)
def test_a_mistake_in_a_session_ends_the_session(name: str) -> None:
    performatives, condition = SESSION_ENDS[name]
    pair = Pair()
    link, end = pair.sending()
    pair.ends[0].sessions[0].attach_receiver(asked(sends=False, name="other"))
    end.grant(1)
    pair.settle()
    session = pair.ends[1].sessions[0]
    session.incoming_window = 100
    session._limits = type(session._limits)(window=0) if "window" in condition else session._limits
    events: list[Any] = []
    for performative in performatives:
        events += pair.ends[1].receive(encode_frame(0, performative))
    (ended,) = of(events, Ended)
    assert ended.error.condition == condition
    assert isinstance(said(pair.ends[1])[-1], End)
    assert pair.ends[1].up
    # In flight when the session ended.
    assert pair.ends[1].receive(encode_frame(0, Transfer(handle=0, delivery_id=7))) == []
    pair.ends[1].receive(encode_frame(0, End()))
    assert pair.ends[1].sessions == []
    del link


LINK_ENDS: dict[str, tuple[list[tuple[Composite, bytes]], str]] = {
    "no credit": ([(Transfer(handle=0, delivery_id=n), b"") for n in range(3)], "amqp:link:transfer-limit-exceeded"),
    "too large": (
        [(Transfer(handle=0, delivery_id=0, more=True), b"x" * 60_000)] * 20,
        "amqp:link:message-size-exceeded",
    ),
    "no delivery id": ([(Transfer(handle=0), b"")], "amqp:invalid-field"),
    "one delivery in another": (
        [(Transfer(handle=0, delivery_id=0, more=True), b""), (Transfer(handle=0, delivery_id=1), b"")],
        "amqp:invalid-field",
    ),
    "a delivery again": ([(Transfer(handle=0, delivery_id=0), b"")] * 2, "amqp:invalid-field"),
}


@pytest.mark.parametrize("name", LINK_ENDS)
def test_a_mistake_on_a_link_ends_the_link(name: str) -> None:
    frames, condition = LINK_ENDS[name]
    pair = Pair()
    link, end = pair.sending()
    end.grant(2)
    pair.settle()
    events: list[Any] = []
    for performative, payload in frames:
        events += pair.ends[1].receive(encode_frame(0, performative, payload))
    (detached,) = of(events, Detached)
    assert (detached.link, detached.error.condition) == (end, condition)
    assert pair.ends[1].sessions[0].up
    (told,) = of(pair.move(0), Detached)
    assert (told.link, told.error) == (link, detached.error)
    pair.settle()
    assert pair.ends[1].sessions[0].links == pair.ends[0].sessions[0].links == []


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("channel", [0])
@pytest.mark.parametrize("kind", [Close, End])
def test_every_end_is_told_once_and_in_the_peers_words(who: int, channel: int, kind: type[Composite]) -> None:
    pair = Pair()
    pair.sending()
    error = Error(condition="amqp:internal-error", description=WORDS, info={"a": 1})
    events: list[Any] = pair.says(who, kind(error=error))  # type: ignore[call-arg]  # both have that field
    kinds = [Detached, Ended, Closed] if kind is Close else [Detached, Ended]
    assert [type(event) for event in events] == kinds
    assert [event.error for event in events] == [error] * len(kinds)
    assert said(pair.ends[1 - who]) == [kind()]


def test_a_reason_that_is_no_text_is_read_as_far_as_it_goes() -> None:
    for place in (b"amqp:internal-error", b"some words"):
        pair = Pair()
        link, _ = pair.sending()
        error = Error(condition="amqp:internal-error", description="some words", info={"a": [1, {"b": "c"}]})
        frame = encode_frame(0, Detach(handle=0, closed=True, error=error))
        (event,) = pair.ends[0].receive(frame.replace(place, b"\xff\xfe" + place[2:]))
        assert isinstance(event, Detached)
        assert event.link is link
        assert event.error is not None
        shown = "\ufffd\ufffd" + place[2:].decode()
        assert shown in (event.error.condition, event.error.description)
        assert event.error.info == {"a": [1, {"b": "c"}]}


def test_a_refused_link_is_told_with_its_reason_and_never_as_attached() -> None:
    pair = Pair()
    pair.accepts = lambda link: link.refuse(
        Error(condition="amqp:link:redirect", description="there", info={"port": 1})
    )
    session, _ = pair.begun()
    link = session.attach_receiver(asked(sends=False))
    pair.settle()
    assert of(pair.events[0], Attached) == []
    (detached,) = of(pair.events[0], Detached)
    assert detached.link is link
    assert (detached.error.condition, detached.error.info) == ("amqp:link:redirect", {"port": 1})
    assert not link.attached
    assert session.links == pair.ends[1].sessions[0].links == []
    with pytest.raises(WrongMove):
        link.grant(1)


def test_an_error_too_long_for_the_peer_is_cut() -> None:
    pair = Pair(client(max_frame_size=512))
    _, end = pair.sending()
    end.detach(Error(condition="a:b", description=WORDS, info={"a": "b" * 600}))
    (detached,) = of(pair.move(0), Detached)
    assert detached.error == Error(condition="a:b", description=WORDS[:100])


def test_sasl() -> None:
    pair = Pair(Connection(Open(container_id="c"), clock=Clock(), sasl=SaslClient(PLAIN, plain("me", "secret"))))
    pair.ends[0].start()
    pair.settle()
    (closed,) = pair.events[0]
    assert isinstance(closed, Closed)
    assert closed.error is not None
    assert closed.error.condition == "amqp:unauthorized-access"
    assert "PLAIN" in str(closed.error.description)
    assert "secret" not in str(closed.error)
    (closed,) = pair.events[1]
    assert isinstance(closed, Closed)
    assert pair.ends[0].finished
    assert pair.ends[1].finished


def test_a_mechanism_that_is_not_offered_is_told_with_those_that_are() -> None:
    end = Connection(Open(container_id="c"), clock=Clock(), sasl=SaslClient(EXTERNAL, b""))
    end.start()
    (closed,) = end.receive(SASL_HEADER + encode_frame(0, SaslMechanisms(sasl_server_mechanisms=("A", "B")), kind=1))
    assert isinstance(closed, Closed)
    assert closed.error is not None
    assert "EXTERNAL" in str(closed.error.description)
    assert "A, B" in str(closed.error.description)


def test_without_sasl() -> None:
    pair = Pair(Connection(Open(container_id="c"), clock=Clock()))
    pair.opened()
    assert of(pair.events[1], Opened)


@pytest.mark.parametrize("raw", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01", SASL_HEADER * 2])
def test_who_is_no_amqp_server_is_told_so(raw: bytes) -> None:
    end = client()
    end.start()
    (closed,) = end.receive(raw)
    assert isinstance(closed, Closed)
    assert closed.error
    assert end.finished


def test_heartbeats_and_silence() -> None:
    clock = Clock()
    pair = Pair(client(clock, idle_time_out=60_000), server(clock, idle_time_out=240_000))
    assert pair.ends[0].due_in == float("inf")
    pair.opened()
    assert pair.ends[0].due_in == 60
    assert pair.ends[1].due_in == 30
    clock.now += 30
    assert pair.ends[1].tick() == []
    assert pair.ends[1].data_to_send() == EMPTY_FRAME
    assert pair.ends[0].receive(EMPTY_FRAME) == []
    clock.now += 59
    assert pair.ends[0].tick() == []
    clock.now += 2
    (closed,) = pair.ends[0].tick()
    assert isinstance(closed, Closed)
    assert closed.error is not None
    assert closed.error.condition == "amqp:connection:forced"
    assert "60000 milliseconds" in str(closed.error.description)
    assert pair.ends[0].tick() == []


def test_a_link_whose_transfers_go_past_the_connection() -> None:
    pair = Pair()
    link, end = pair.receiving()
    link.grant(3)
    pair.settle()
    assert pair.ends[0].take_over() == b""
    assert end.send_all([b"a", b"b"]) == 2
    pair.ends[1].data_to_send()
    link.count(2, 2)
    assert (link.credit, link.session.next_incoming_id) == (1, 3)  # type: ignore[attr-defined]  # a session has it
    link.grant(3)
    pair.settle()
    assert end.credit == 3
    end.send(b"c")
    (delivery,) = of(pair.move(0), Delivery)
    assert delivery.message == b"c"


def test_a_delivery_of_many_frames_that_goes_past_the_connection_is_counted_once() -> None:
    pair = Pair()
    link, end = pair.receiving()
    link.grant(3)
    pair.settle()
    pair.ends[0].take_over()
    end.send(b"x" * 2_000_000)
    link.count(1, 0, unfinished=True)
    # The sender counts a delivery with its first frame, and may say so before the last.
    end.send_flow()
    *_, flow = FrameSplitter(1 << 20).feed(pair.ends[1].data_to_send())
    assert isinstance(flow, Frame)
    pair.ends[0].receive(encode_frame(flow.channel, decode_body(flow.body)[0]))
    assert link.credit == 3
    link.count(1, 1)
    assert (link.credit, link.delivery_count) == (2, end.delivery_count)


def test_the_beginning_of_a_frame_is_given_out_with_the_take_over() -> None:
    pair = Pair()
    pair.receiving()
    pair.ends[0].receive(EMPTY_FRAME + EMPTY_FRAME[:5])
    assert pair.ends[0].take_over() == EMPTY_FRAME[:5]
    assert pair.ends[0].take_over() == b""


def test_nothing_is_sent_at_the_wrong_time() -> None:
    end = client()
    with pytest.raises(WrongMove):
        end.begin()
    pair = Pair()
    link, other = pair.sending()
    sessions = pair.ends[0].sessions
    wrong: list[Callable[[], object]] = [
        pair.ends[0].start,
        lambda: pair.ends[0].begin(channel=0),
        lambda: link.send(b"no credit"),
        lambda: link.attach(asked(sends=True)),
        lambda: sessions[0].attach_sender(asked(sends=True, name="m"), handle=0),
        lambda: sessions[0].attach_sender(asked(sends=True, name="m" * 70_000)),
        sessions[0].begin,
        lambda: other.accept(asked(sends=False)),
    ]
    for each in wrong:
        with pytest.raises(WrongMove):
            each()
        assert pair.ends[0].data_to_send() == pair.ends[1].data_to_send() == b""
    link.detach()
    with pytest.raises(WrongMove):
        link.detach()


def test_outcomes_of_a_range_and_of_the_first_mode() -> None:
    pair = Pair()
    link, end = pair.sending()
    end.grant(10)
    pair.settle()
    link.send_all([b"m"] * 6)
    pair.settle()
    pair.says(1, Disposition(role=RECEIVER, first=1, last=2, settled=True, state=Accepted()))
    pair.says(1, Disposition(role=RECEIVER, first=0, last=(1 << 31) - 1, settled=False, state=Accepted()))
    pair.says(1, Disposition(role=RECEIVER, first=0, last=9, settled=True, state=Accepted()))
    outcomes = [event.delivery_id for event in of(pair.events[0], Outcome)]
    assert outcomes == [1, 2, 0, 3, 4, 5]
    assert link.unsettled == []


def test_credit_that_comes_before_the_answer_to_an_attach_counts() -> None:
    pair = Pair()
    pair.begun()
    attach = encode_frame(0, asked(sends=False, name="hasty"))
    (event,) = pair.ends[1].receive(attach + encode_frame(0, flow(handle=0, link_credit=3, echo=True)))
    assert isinstance(event, AttachAsked)
    assert isinstance(event.link, Sender)
    event.link.accept(asked(sends=True, name="hasty"))
    (sendable,) = pair.ends[1].events()
    assert sendable == Sendable(event.link)
    assert event.link.credit == 3
    assert [type(each) for each in said(pair.ends[1])] == [Attach, Flow]


def test_a_transfer_that_comes_before_the_answer_to_an_attach_ends_the_link() -> None:
    pair = Pair()
    pair.begun()
    attach = encode_frame(0, asked(sends=True, name="hasty"))
    (event,) = pair.ends[1].receive(attach + encode_frame(0, Transfer(handle=0, delivery_id=0)))
    assert isinstance(event, AttachAsked)
    event.link.accept(asked(sends=False, name="hasty"))
    (detached,) = of(pair.ends[1].events(), Detached)
    assert detached.error.condition == "amqp:link:transfer-limit-exceeded"


def test_links_that_are_asked_for_and_never_detached_have_a_limit() -> None:
    pair = Pair()
    pair.opened()
    pair.ends[0].begin(SessionLimits(handle_max=0xFFFF_FFFF))
    pair.settle()
    refusal = Error(condition="amqp:not-allowed")
    ended: list[Any] = []
    for number in range(MOST_LINKS + 2):
        attach = Attach(name=f"n{number}", handle=0xFFFF_FFFF - number, role=RECEIVER)
        events = pair.ends[0].receive(encode_frame(0, attach))
        for event in of(events, AttachAsked):
            event.link.refuse(refusal)
        ended += of(events, Ended)
    assert [event.error.condition for event in ended] == ["amqp:resource-limit-exceeded"]
    assert pair.ends[0].up


hostile = st.one_of(
    st.binary(max_size=40),
    st.builds(encode_frame, st.integers(0, 2), st.sampled_from(PERFORMATIVES), st.binary(max_size=9)),
    st.builds(
        encode_frame,
        st.integers(0, 1),
        st.one_of(
            st.builds(
                Attach,
                name=st.sampled_from(("l", "m")),
                handle=st.integers(0, 3),
                role=st.booleans(),
                source=st.just(Source()),
            ),
            st.builds(Detach, handle=st.integers(0, 3), closed=st.booleans()),
            st.builds(
                Transfer,
                handle=st.integers(0, 2),
                delivery_id=st.one_of(st.none(), st.integers(0, 3)),
                more=st.booleans(),
                aborted=st.booleans(),
            ),
            st.builds(
                Flow,
                next_incoming_id=st.integers(0, 3),
                incoming_window=st.integers(0, 3),
                next_outgoing_id=st.just(0),
                outgoing_window=st.just(0),
                handle=st.one_of(st.none(), st.integers(0, 2)),
                link_credit=st.one_of(st.none(), st.integers(0, 3)),
                echo=st.booleans(),
            ),
            st.builds(
                Disposition,
                role=st.booleans(),
                first=st.integers(0, 3),
                last=st.one_of(st.none(), st.integers(0, 3)),
                settled=st.booleans(),
                state=st.one_of(st.none(), st.just(Accepted()), st.just(Error(condition="x"))),
            ),
            st.builds(End),
            st.builds(
                Begin,
                remote_channel=st.one_of(st.none(), st.integers(0, 2)),
                next_outgoing_id=st.integers(0, 2),
                incoming_window=st.integers(0, 2),
                outgoing_window=st.just(0),
                handle_max=st.one_of(st.none(), st.integers(0, 2)),
            ),
        ),
        st.binary(max_size=5),
    ),
)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 1), st.lists(hostile, max_size=25))
def test_whatever_comes_nothing_is_raised_and_each_end_is_told_once(victim: int, frames: list[bytes]) -> None:
    pair = Pair()
    link, end = pair.sending()
    for each in (link, end):
        if isinstance(each, Receiver):
            each.grant(5)
    pair.settle()
    link.send(b"m")
    pair.settle()
    told: list[Any] = []
    for raw in frames:
        for event in pair.ends[victim].receive(raw):
            assert Closed not in told, "told behind the end of all"
            match event:
                case Detached(subject, _) | Ended(subject, _):
                    assert not any(subject is each for each in told)
                    told.append(subject)
                case Closed():
                    told.append(Closed)
                case AttachAsked(asking) if asking.asked:
                    asking.accept(asked(sends=asking.sends, name=asking.name))
    FrameSplitter(65_536).feed(pair.ends[victim].data_to_send())
    if Closed in told:
        assert pair.ends[victim].sessions == []
