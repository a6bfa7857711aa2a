"""Any stream of frames, cut anywhere, gives the same messages and the same other frames."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import EMPTY_FRAME, encode_frame
from ingest.amqp.performatives import Attach, Detach, Disposition, Flow, Transfer
from ingest.amqp.transfers import TransferEncoder
from ingest.amqp.types import UInt
from ingest.source.core.slices import Slices as CompiledSlices
from ingest.source.events.slices import Layout, PythonSlices, Slices
from ingest.source.transport.frames import TransferSplitter

CHANNEL = 1
HANDLE = 3
FRAME_BYTES = 65_536
SMALL_FRAME_BYTES = 512

Kind = Callable[[], Slices]
kinds = pytest.mark.parametrize("kind", [PythonSlices, CompiledSlices], ids=["python", "compiled"])


@dataclass
class Stream:
    """Frames, and what is to come out of them."""

    data: bytes = b""
    messages: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    frames: int = 0


def frame(
    payload: bytes,
    delivery_id: int | None = 1,
    *,
    handle: int = HANDLE,
    channel: int = CHANNEL,
    tag: bytes | None = b"\x00\x00\x00\x01",
    **fields: Any,
) -> bytes:
    return encode_frame(channel, Transfer(handle=handle, delivery_id=delivery_id, delivery_tag=tag, **fields), payload)


def wide(payload: bytes, delivery_id: int) -> bytes:
    """A list32 of fields, the id as uint with 4 bytes."""
    fields = encode(UInt(HANDLE)) + b"\x70" + delivery_id.to_bytes(4, "big") + b"\xa0\x01t" + b"\x43\x41\x42"
    body = b"\x00\x53\x14\xd0" + (4 + len(fields)).to_bytes(4, "big") + b"\x00\x00\x00\x06" + fields + payload
    return (8 + len(body)).to_bytes(4, "big") + b"\x02\x00" + CHANNEL.to_bytes(2, "big") + body


def extended(whole: bytes) -> bytes:
    """With 4 more bytes of header, which nobody has a use for."""
    return (len(whole) + 4).to_bytes(4, "big") + b"\x03" + whole[5:8] + b"\xff" * 4 + whole[8:]


payloads = st.binary(max_size=300) | st.binary(min_size=600, max_size=1_500)
delivery_ids = st.sampled_from([0, 1, 255, 256, 65_536, 0xFFFF_FFFF]) | st.integers(0, 0xFFFF_FFFF)
others = st.sampled_from(
    [
        EMPTY_FRAME,
        extended(EMPTY_FRAME),
        encode_frame(CHANNEL, Flow(incoming_window=1, next_outgoing_id=2, outgoing_window=3)),
        encode_frame(CHANNEL, Detach(handle=HANDLE, closed=True)),
        encode_frame(CHANNEL, Attach(name="x", handle=9, role=False)),
        encode_frame(CHANNEL, Disposition(role=False, first=1)),
        frame(b"an answer about a token", handle=1),
        frame(b"", handle=0),
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Runs of the emulator's frames, with everything else that may come between and inside of them."""
    stream = Stream()
    delivery_id = draw(delivery_ids)
    for _ in range(draw(st.integers(0, 6))):
        match draw(st.sampled_from(["run", "one", "wide", "extended", "other", "aborted", "split"])):
            case "run":
                run = draw(st.lists(payloads, min_size=1, max_size=6))
                settled = draw(st.booleans())
                encoder = TransferEncoder(
                    CHANNEL, HANDLE, draw(st.sampled_from([SMALL_FRAME_BYTES, FRAME_BYTES])), settled=settled
                )
                for payload in run:
                    parts = encoder.split(delivery_id, payload)
                    stream.data += b"".join(parts)
                    stream.frames += len(parts)
                    delivery_id = (delivery_id + 1) & 0xFFFF_FFFF
                stream.messages += run
            case "one" | "wide" | "extended" as kind:
                payload = draw(payloads)
                tag = draw(st.none() | st.binary(max_size=4))
                made = wide(payload, delivery_id) if kind == "wide" else frame(payload, delivery_id, tag=tag)
                stream.data += extended(made) if kind == "extended" else made
                stream.messages.append(payload)
                stream.frames += 1
            case "other":
                other = draw(others)
                stream.data += other
                stream.others.append(other)
            case "aborted":
                stream.data += frame(b"begun", delivery_id, more=True) + frame(b"", delivery_id, aborted=True)
                stream.frames += 2
            case "split":
                parts = draw(st.lists(st.binary(max_size=50), min_size=2, max_size=4))
                for index, part in enumerate(parts):
                    more = index < len(parts) - 1
                    # Only the first part must tell the delivery.
                    stream.data += frame(part, None if index else delivery_id, tag=None if index else b"t", more=more)
                    if more:
                        other = draw(others)
                        stream.data += other
                        stream.others.append(other)
                stream.messages.append(b"".join(parts))
                stream.frames += len(parts)
    return stream


@kinds
@given(stream=streams(), cuts=st.lists(st.integers(0, 1 << 30)))
def test_any_stream_cut_anywhere(kind: Kind, stream: Stream, cuts: list[int]) -> None:
    places = sorted({cut % (len(stream.data) + 1) for cut in cuts} | {0, len(stream.data)})
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    found: list[bytes] = []
    for start, end in pairwise(places):
        found += [buf[at:after] for buf, at, after in transfers.feed(stream.data[start:end])]
    assert found == stream.messages
    assert transfers.others == stream.others
    assert transfers.frames == stream.frames


@kinds
@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 50])
def test_a_stream_in_pieces_of_one_size(kind: Kind, size: int) -> None:
    messages = [b"%d" % n * (n % 7) for n in range(50)]
    out: list[bytes] = []
    TransferEncoder(CHANNEL, HANDLE, FRAME_BYTES).encode(out, 250, messages)
    data = b"".join(out)
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    found = [
        buf[at:after]
        for start in range(0, len(data), size)
        for buf, at, after in transfers.feed(data[start : start + size])
    ]
    assert found == messages


@kinds
def test_a_frame_that_only_begins_like_the_one_before_is_looked_at(kind: Kind) -> None:
    (usual,) = TransferEncoder(CHANNEL, HANDLE, FRAME_BYTES).split(7, b"first")
    for index in range(3, len(usual)):
        for flipped in (usual[index] ^ 1, usual[index] ^ 0xFF, 0x40, 0x43, 20, len(usual) - 6):
            changed = usual[:index] + bytes((flipped,)) + usual[index + 1 :] + usual
            fresh, warm = TransferSplitter(HANDLE, FRAME_BYTES, kind), TransferSplitter(HANDLE, FRAME_BYTES, kind)
            warm.feed(usual)
            assert _outcome(warm, changed) == _outcome(fresh, changed), (index, flipped)


def _outcome(transfers: TransferSplitter, data: bytes) -> object:
    try:
        return [buf[at:after] for buf, at, after in transfers.feed(data)], transfers.others
    except AmqpError as error:
        return str(error)


@kinds
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad", "no AMQP frame"),
        (b"\x00\x00\x00\x00\x02\x00\x00\x00", "no AMQP frame"),
        # A hang that the fuzzer found: taken for a frame like the one before, of which there was none.
        (b"\x00\x00\x00\x00?\x02\x00\x00", "no AMQP frame"),
        (b"\x00\x00\x00\x09?\x02\x00\x00\x00", "no AMQP frame"),
        (b"\x00\x00\x00\x07\x02\x00\x00\x00", "no AMQP frame"),
        (b"\x00\x00\x00\x08\x01\x00\x00\x00", "no AMQP frame"),
        (b"\x00\x00\x00\x08\x03\x00\x00\x00", "no AMQP frame"),
        (b"\x00\x00\x00\x08\x02\x01\x00\x00", "no AMQP frame"),
        (b"AMQP\x00\x01\x00\x00", "no AMQP frame"),
        (b"\x00\x01\x00\x01\x02\x00\x00\x00", "larger than the agreed 65536"),
        (b"\xff\xff\xff\xff\x02\x00\x00\x00", "larger than the agreed 65536"),
        (b"\x00\x00\x00\x0d\x02\x00\x00\x01\x00\x53\x14\xc0\x05", "cut short"),
        (b"\x00\x00\x00\x0e\x02\x00\x00\x01\x00\x53\x14\xc0\x01\x00", "handle"),
    ],
)
def test_bytes_that_are_no_frames_are_an_error(kind: Kind, data: bytes, words: str) -> None:
    with pytest.raises(AmqpError, match=words):
        TransferSplitter(HANDLE, FRAME_BYTES, kind).feed(data)
    behind = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    behind.feed(frame(b"x") + data[:5])
    with pytest.raises(AmqpError, match=words):
        behind.feed(data[5:])


@kinds
@pytest.mark.parametrize("payload", [b"", b"\xa0", b"\xa0\x00", b"\x00\x53\x75\xa0\x01x"])
@pytest.mark.parametrize("fields", ["43", "4370000f0000", "5203", "520370000f0000", "700000000370000f0000"])
def test_transfers_without_a_tag(kind: Kind, fields: str, payload: bytes) -> None:
    encoded = bytes.fromhex(fields)
    count = 1 if len(encoded) < 6 else 2
    body = b"\x00\x53\x14\xc0" + bytes((1 + len(encoded), count)) + encoded + payload
    data = (8 + len(body)).to_bytes(4, "big") + b"\x02\x00\x00\x01" + body
    transfers = TransferSplitter(0 if fields.startswith("43") else HANDLE, FRAME_BYTES, kind)
    for _ in range(3):
        assert [buf[at:after] for buf, at, after in transfers.feed(data)] == [payload]


@kinds
@given(data=st.binary(max_size=200))
def test_any_bytes_give_messages_or_one_error(kind: Kind, data: bytes) -> None:
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    try:
        messages = transfers.feed(data)
    except AmqpError:
        return
    assert all(end <= len(buf) for buf, _, end in messages)


@kinds
@pytest.mark.parametrize("part", [b"x" * 1_000, b"x", b""], ids=["large", "small", "empty"])
def test_a_message_that_never_ends_takes_bounded_memory(
    kind: Kind, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.source.transport.frames.MAX_MESSAGE_BYTES", 20_000)
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    frames = frame(part, more=True) * 100
    tracemalloc.start()
    try:
        said = next((error for _ in range(400) if (error := _error(transfers, frames))), "")
        # One reference per part at the most: 20,000 of them hold a byte each.
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert bool(part) == ("larger than 20000 bytes" in said)


def _error(transfers: TransferSplitter, data: bytes) -> str:
    try:
        assert not transfers.feed(data)
    except AmqpError as error:
        return str(error)
    return ""


@kinds
def test_the_largest_message_comes_whole(kind: Kind) -> None:
    body = bytes(range(256)) * 4_096
    parts = TransferEncoder(CHANNEL, HANDLE, FRAME_BYTES).split(7, body)
    assert len(parts) > 16
    transfers = TransferSplitter(HANDLE, FRAME_BYTES, kind)
    ((buf, start, end),) = transfers.feed(b"".join(parts))
    assert buf[start:end] == body
    assert transfers.frames == len(parts)


@pytest.mark.parametrize("place", [-51, 50, 1 << 62])
def test_compiled_slices_are_those_of_python(place: int) -> None:
    messages = [(b"%d" % n * 9, n % 3, n % 3 + n % 7) for n in range(50)]
    reference, compiled = PythonSlices(), CompiledSlices()
    for message in messages:
        reference.append(message)
        compiled.append(message)
    assert list(compiled) == list(reference)
    assert [compiled[at] for at in range(-50, 50)] == [reference[at] for at in range(-50, 50)]
    assert (len(compiled), compiled.total_bytes) == (50, reference.total_bytes)
    with pytest.raises(IndexError):
        compiled[place]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 1), (0, 4), (4, 4)])
def test_no_slice_is_outside_of_its_buffer(start: int, end: int) -> None:
    slices = CompiledSlices()
    with pytest.raises(ValueError, match="not all in a buffer of 3 bytes"):
        slices.append((b"abc", start, end))
    assert list(slices) == []


@given(
    data=st.binary(max_size=40),
    at=st.integers(-2, 50),
    places=st.tuples(*[st.integers(-3, 30)] * 3),
    texts=st.tuples(*[st.binary(max_size=4)] * 3),
)
def test_a_layout_that_is_none_reads_nothing_outside(
    data: bytes, at: int, places: tuple[int, int, int], texts: tuple[bytes, bytes, bytes]
) -> None:
    layout = Layout(texts[0], texts[1], places[0], texts[2], places[1], places[2])
    slices = CompiledSlices()
    slices.add_run(data, at, layout)
    assert all(0 <= start <= end <= len(data) for _, start, end in slices)
