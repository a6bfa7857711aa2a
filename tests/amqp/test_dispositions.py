"""The short way to read dispositions gives what the long one gives, or leaves them to that."""

import struct
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.composites import Composite
from ingest.amqp.dispositions import Run, run_at
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import Frame, FrameSplitter, decode_body, encode_frame
from ingest.amqp.performatives import Accepted, Disposition, Error, Flow, Modified, Rejected, Released

uints = st.sampled_from([0, 1, 255, 256, 2**32 - 1]) | st.integers(0, 2**32 - 1)
states: st.SearchStrategy[Composite | None] = st.sampled_from([None, Accepted(), Released(), Modified()]) | st.builds(
    Rejected,
    error=st.none()
    | st.builds(Error, condition=st.sampled_from(["amqp:not-found", "a:b"]), description=st.text(max_size=9)),
)
told = st.builds(
    Disposition,
    role=st.booleans(),
    first=uints,
    last=st.none() | uints,
    settled=st.none() | st.booleans(),
    state=states,
    batchable=st.none() | st.booleans(),
)
alike = st.tuples(
    st.builds(Disposition, role=st.booleans(), first=st.just(0), settled=st.just(True), state=states),
    st.lists(uints, max_size=4),
    st.booleans(),
).map(lambda one: [replace(one[0], first=number, last=number if one[2] else None) for number in one[1]])
frames = st.lists(alike | st.lists(told, max_size=2), max_size=5).map(
    lambda groups: [each for group in groups for each in group]
)
ACCEPTED = Disposition(role=True, first=9, last=9, settled=True, state=Accepted())


def framed(body: bytes, channel: int = 0, kind: int = 0) -> bytes:
    return struct.pack(">IBBH", 8 + len(body), 2, kind, channel) + body


def the_long_way(data: bytes) -> tuple[list[tuple[int, object]], bool]:
    """What each frame says, and whether something is wrong with one."""
    said: list[tuple[int, object]] = []
    try:
        for item in FrameSplitter(1024).each(data, runs=False):
            if isinstance(item, Frame):
                body, rest = decode_body(item.body) if item.body else (None, b"")
                if isinstance(body, Disposition) and body.last == body.first:
                    body = replace(body, last=None)
                said.append((item.channel, (body, rest)))
    except AmqpError:
        return said, True
    return said, False


def the_short_way(data: bytes) -> tuple[list[tuple[int, object]], bool]:
    said: list[tuple[int, object]] = []
    try:
        for item in FrameSplitter(1024).each(data):
            if isinstance(item, Run):
                said += [(item.channel, (replace(item.said, first=number), b"")) for number in item.numbers]
            elif isinstance(item, Frame):
                found, wrong = the_long_way(framed(item.body, item.channel, item.kind))
                said += found
                if wrong:
                    return said, True
    except AmqpError:
        return said, True
    return said, False


@given(frames, st.integers(0, 3))
@example([ACCEPTED] * 3, 0)
def test_what_peers_write_is_read(dispositions: list[Disposition], channel: int) -> None:
    data = b"".join(encode_frame(channel, each) for each in dispositions)
    assert the_short_way(data) == the_long_way(data)
    assert [said for _, said in the_long_way(data)[0]] == [
        (replace(each, last=None if each.last == each.first else each.last), b"") for each in dispositions
    ]


@given(frames.filter(bool), st.data())
def test_whatever_the_bytes_are_it_is_the_same(dispositions: list[Disposition], data: st.DataObject) -> None:
    wire = bytearray(b"".join(encode_frame(0, each) for each in dispositions))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(wire) - 1))
        match data.draw(st.sampled_from(["change", "cut", "add"])):
            case "change":
                wire[at] = data.draw(st.integers(0, 255))
            case "cut":
                del wire[at + 1 :]
            case "add":
                wire.insert(at, data.draw(st.integers(0, 255)))
    assert the_short_way(bytes(wire)) == the_long_way(bytes(wire))


@given(frames, st.lists(st.integers(1, 60), max_size=6))
def test_a_run_may_come_in_pieces(dispositions: list[Disposition], cuts: list[int]) -> None:
    wire, splitter = b"".join(encode_frame(0, each) for each in dispositions), FrameSplitter(1024)
    numbers: list[int] = []
    for size in [*cuts, len(wire)]:
        piece, wire = wire[:size], wire[size:]
        for item in splitter.each(piece):
            if isinstance(item, Run):
                numbers += item.numbers
            elif isinstance(item, Frame):
                body, _ = decode_body(item.body)
                assert isinstance(body, Disposition)
                numbers.append(body.first)
    assert numbers == [each.first for each in dispositions]


def test_those_that_say_the_same_come_together() -> None:
    other = replace(ACCEPTED, state=Released())
    same = [replace(ACCEPTED, first=number, last=number) for number in (0, 7, 300, 2**32 - 1)]
    wire = b"".join(
        encode_frame(0, each) for each in (*same, other, Flow(incoming_window=1, next_outgoing_id=1, outgoing_window=1))
    )
    accepted, released, flow = FrameSplitter(1024).each(wire)
    assert isinstance(accepted, Run)
    assert accepted.numbers == [0, 7, 300, 2**32 - 1]
    assert accepted.said.state == Accepted()
    assert isinstance(released, Run)
    assert released.numbers == [9]
    assert isinstance(flow, Frame)


def test_a_peer_that_leaves_out_what_is_absent() -> None:
    short = b"\x00\x53\x15\xc0\x0a\x05\x41\x52\x09\x40\x41\x00\x53\x24\x45"
    frame = framed(short)
    assert run_at(frame, 0) == (Run(0, [9], replace(ACCEPTED, last=None)), len(frame))
    least = framed(b"\x00\x53\x15\xc0\x04\x03\x41\x43\x40")
    assert run_at(least, 0) == (Run(0, [0], Disposition(role=True, first=0)), len(least))


@pytest.mark.parametrize("cut", range(23))
def test_one_that_is_not_here_as_a_whole_waits(cut: int) -> None:
    frame = encode_frame(0, ACCEPTED)
    assert run_at(frame[:cut], 0) == (None, 0)
    assert run_at(frame + frame[:cut], 0)[1] == len(frame)
