import contextlib
from dataclasses import fields
from typing import Any

import pytest
from azure.eventhub._pyamqp import performatives as theirs
from azure.eventhub._pyamqp._decode import decode_frame as their_decode
from azure.eventhub._pyamqp._encode import encode_frame as their_encode
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.composites import Composite
from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameSplitter,
    ProtocolHeader,
    decode_body,
    encode_frame,
)
from ingest.amqp.performatives import (
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
    Received,
    Rejected,
    SaslInit,
    SaslMechanisms,
    Source,
    Target,
    Transfer,
)
from ingest.amqp.types import Described, Symbol

PERFORMATIVES: list[Composite] = [
    Open(container_id="c"),
    Open(
        container_id="c", hostname="h", max_frame_size=65536, channel_max=1, idle_time_out=240000, properties={"a": 1}
    ),
    Begin(next_outgoing_id=1, incoming_window=5000, outgoing_window=5000),
    Begin(remote_channel=0, next_outgoing_id=1, incoming_window=1, outgoing_window=4294967295, handle_max=255),
    Attach(name="n", handle=0, role=True),
    Attach(
        name="n" * 300,
        handle=4294967295,
        role=False,
        snd_settle_mode=1,
        source=Source(address="a", filter={Symbol("f"): Described(Symbol("f"), "x")}, outcomes=("amqp:accepted:list",)),
        target=Target(address="b", timeout=3),
        initial_delivery_count=0,
        max_message_size=1 << 40,
        desired_capabilities=("x", "y"),
        properties={Symbol("com.microsoft:epoch"): 1},
    ),
    Flow(incoming_window=1, next_outgoing_id=2, outgoing_window=3),
    Flow(next_incoming_id=0, incoming_window=1, next_outgoing_id=2, outgoing_window=3, handle=4, link_credit=5),
    Transfer(handle=0),
    Transfer(
        handle=1,
        delivery_id=2,
        delivery_tag=b"t",
        settled=True,
        more=False,
        state=Received(section_number=1, section_offset=2),
    ),
    Disposition(role=True, first=1, settled=True, state=Accepted()),
    Disposition(role=True, first=1, last=2, state=Rejected(error=Error(condition="amqp:not-found"))),
    Detach(handle=1),
    Detach(handle=1, closed=True, error=Error(condition="amqp:link:stolen", description="d", info={"a": "b"})),
    End(),
    End(error=Error(condition="c")),
    Close(),
]


@pytest.mark.parametrize("performative", PERFORMATIVES, ids=lambda each: type(each).__name__)
def test_performatives_round_trip_with_every_field(performative: Composite) -> None:
    (frame,) = FrameSplitter(65536).feed(encode_frame(7, performative, b"payload"))
    assert isinstance(frame, Frame)
    assert (frame.kind, frame.channel) == (0, 7)
    assert decode_body(frame.body) == (performative, b"payload")
    assert frame.body[:3] == bytes((0x00, 0x53, performative.CODE))
    assert frame.body[3] in (0xC0, 0xD0), "azure-eventhub cannot read list0"
    count = frame.body[5] if frame.body[3] == 0xC0 else int.from_bytes(frame.body[8:12], "big")
    assert count == len(fields(performative))  # type: ignore[arg-type]  # every performative is a dataclass


@pytest.mark.parametrize(
    ("performative", "name"),
    [
        (Open(container_id="c"), "amqp:open:list"),
        (Transfer(handle=1, delivery_id=7), "amqp:transfer:list"),
        (Close(error=Error(condition="c")), "amqp:close:list"),
        (SaslMechanisms(sasl_server_mechanisms=("A",)), "amqp:sasl-mechanisms:list"),
        (SaslInit(mechanism="ANONYMOUS"), "amqp:sasl-init:list"),
    ],
)
def test_a_performative_may_be_described_by_its_name(performative: Composite, name: str) -> None:
    encoded = performative.encode()
    assert encoded[:3] == bytes((0x00, 0x53, performative.CODE))
    assert decode_body(b"\x00" + encode(Symbol(name)) + encoded[3:] + b"payload") == (performative, b"payload")


@pytest.mark.parametrize("performative", PERFORMATIVES, ids=lambda each: type(each).__name__)
def test_azure_eventhub_reads_our_performatives(performative: Composite) -> None:
    body = memoryview(encode_frame(0, performative, b"payload"))[8:]
    code, values = their_decode(body)
    assert code == performative.CODE
    expected = fields(performative)  # type: ignore[arg-type]  # every performative is a dataclass
    if isinstance(performative, Transfer):
        assert bytes(values.pop()) == b"payload"
    assert len(values) == len(expected)
    for field, value in zip(expected, values, strict=True):
        ours = getattr(performative, field.name)
        if isinstance(ours, int | bytes) or ours is None:
            assert value == ours
        elif isinstance(ours, str):
            assert value == ours.encode()


def their(kind: Any, **given: object) -> Any:
    return kind(**{name: given.get(name) for name in kind._fields})


THEIRS: list[tuple[Any, Composite]] = [
    (
        their(theirs.OpenFrame, container_id="c", hostname="h", max_frame_size=512, channel_max=9, idle_timeout=1000),
        Open(container_id="c", hostname="h", max_frame_size=512, channel_max=9, idle_time_out=1000),
    ),
    (
        their(
            theirs.BeginFrame,
            remote_channel=None,
            next_outgoing_id=0,
            incoming_window=65536,
            outgoing_window=65536,
            handle_max=0xFFFFFFFF,
        ),
        Begin(next_outgoing_id=0, incoming_window=65536, outgoing_window=65536, handle_max=0xFFFFFFFF),
    ),
    (
        their(
            theirs.FlowFrame,
            next_incoming_id=1,
            incoming_window=2,
            next_outgoing_id=3,
            outgoing_window=4,
            handle=5,
            link_credit=300,
        ),
        Flow(next_incoming_id=1, incoming_window=2, next_outgoing_id=3, outgoing_window=4, handle=5, link_credit=300),
    ),
    (their(theirs.DetachFrame, handle=3, closed=True), Detach(handle=3, closed=True)),
    (their(theirs.EndFrame), End()),
    (their(theirs.CloseFrame), Close()),
]


@pytest.mark.parametrize(("frame", "expected"), THEIRS, ids=lambda each: type(each).__name__)
def test_we_read_azure_eventhubs_performatives(frame: Any, expected: Composite) -> None:
    header, body = their_encode(frame)
    assert body is not None
    (found,) = FrameSplitter(65536).feed(header + b"\x00\x05" + body)
    assert isinstance(found, Frame)
    performative, _ = decode_body(found.body)
    assert found.channel == 5
    for field in fields(expected):  # type: ignore[arg-type]  # every performative is a dataclass
        if getattr(expected, field.name) is not None:
            assert getattr(performative, field.name) == getattr(expected, field.name)


STREAM: list[tuple[bytes, ProtocolHeader | Frame]] = [
    (SASL_HEADER, ProtocolHeader(SASL_HEADER)),
    (
        encode_frame(0, SaslInit(mechanism="ANONYMOUS"), kind=SASL_FRAME),
        Frame(SASL_FRAME, 0, SaslInit(mechanism="ANONYMOUS").encode()),
    ),
    (AMQP_HEADER, ProtocolHeader(AMQP_HEADER)),
    (encode_frame(3, PERFORMATIVES[1]), Frame(0, 3, PERFORMATIVES[1].encode())),
    (EMPTY_FRAME, Frame(0, 0, b"")),
    (encode_frame(0, Transfer(handle=0), b"x" * 3000), Frame(0, 0, Transfer(handle=0).encode() + b"x" * 3000)),
    (b"\x00\x00\x00\x0d\x03\x00\x00\x01more!", Frame(0, 1, b"!")),
]


@given(st.lists(st.sampled_from(STREAM), max_size=12), st.lists(st.integers(1, 700), min_size=1))
def test_frames_are_found_however_the_bytes_are_cut(items: list[Any], cuts: list[int]) -> None:
    stream = b"".join(raw for raw, _ in items)
    splitter = FrameSplitter(65536)
    found: list[Any] = []
    pos = turn = 0
    while pos < len(stream):
        step = cuts[turn % len(cuts)]
        found += splitter.feed(stream[pos : pos + step])
        pos += step
        turn += 1
    assert found == [item for _, item in items]


@given(st.lists(st.binary(max_size=64), max_size=10))
def test_any_bytes_are_frames_or_an_error(pieces: list[bytes]) -> None:
    splitter = FrameSplitter(1024)
    with contextlib.suppress(AmqpError):
        for piece in pieces:
            for item in splitter.feed(piece):
                if isinstance(item, Frame) and item.body:
                    decode_body(item.body)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x07\x02\x00\x00\x00",
        b"\x00\x00\x00\x08\x01\x00\x00\x00",
        b"\x00\x00\x00\x09\x02\x02\x00\x00",
        b"\x00\x00\x00\x0b\x03\x00\x00\x00",
    ],
)
def test_what_is_no_frame_is_refused(raw: bytes) -> None:
    with pytest.raises(AmqpError, match="no AMQP frame"):
        FrameSplitter(1024).feed(raw)


def test_a_frame_above_the_agreed_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(AmqpError, match="1025 bytes"):
        FrameSplitter(1024).feed(b"\x00\x00\x04\x01\x02\x00\x00\x00")


@pytest.mark.parametrize(
    "body",
    [
        b"\x40",
        b"\x00\x53\x99\x45",
        b"\x00\x53\x10\x45",
        b"\x00\x53\x10\xc0\x02\x01\x43",
        b"\x00\x53\x10\x40",
        b"\x00\x53\x17" + b"\xc0\x03\x02\x40\x40",
        b"\x00\x53\x17" + b"\xc0\x05\x01\x00\x53\x10\x40",
        b"\x00\xa1\x01x\x45",
    ],
)
def test_a_body_that_is_no_performative_is_refused(body: bytes) -> None:
    with pytest.raises(AmqpError):
        decode_body(body)


def test_one_symbol_stands_for_an_array_of_one() -> None:
    raw = SaslMechanisms(sasl_server_mechanisms=("A", "B")).encode()
    assert decode_body(raw)[0] == SaslMechanisms(sasl_server_mechanisms=("A", "B"))
    single = b"\x00\x53\x40\xc0\x0c\x01\xa3\x09ANONYMOUS"
    assert decode_body(single)[0] == SaslMechanisms(sasl_server_mechanisms=("ANONYMOUS",))
