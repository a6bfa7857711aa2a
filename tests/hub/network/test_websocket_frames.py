"""Frames of WebSocket: what one side makes the other reads, however it is cut; and what no frame is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.network import websocket_frames as frames
from ingest.hub.network.websocket_frames import FrameReader, close_payload, close_words, frame, xor

MASK = b"\x01\xfe\x00\x7f"
_CONTROLS = st.lists(st.tuples(st.sampled_from([frames.PING, frames.PONG]), st.binary(max_size=125)), max_size=2)
_PIECES = st.lists(
    st.tuples(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536]), st.booleans(), _CONTROLS), max_size=5
)


@given(pieces=_PIECES, mask=st.sampled_from([b"", MASK]), cuts=st.lists(st.integers(0, 200_000), max_size=12))
def test_what_is_made_is_read_however_it_is_cut(
    pieces: list[tuple[int, bool, list[tuple[int, bytes]]]], mask: bytes, cuts: list[int]
) -> None:
    made, payload, controls, first = b"", b"", [], True
    for number, (size, final, between) in enumerate(pieces):
        part = bytes([number + 1]) * size
        made += frame(frames.BINARY if first else frames.CONTINUATION, part, mask, final=final)
        payload, first = payload + part, final
        for opcode, words in between:
            made += frame(opcode, words, mask)
            controls.append((opcode, words))
    reader = FrameReader(masked=bool(mask))
    places = sorted({0, len(made), *(cut for cut in cuts if cut < len(made))})
    found = b""
    for start, end in pairwise(places):
        part = reader.feed(made[start:end])
        assert len(part) <= end - start
        assert len(reader._held) <= 131
        found += part
    assert (found, reader.controls, reader.error) == (payload, controls, None)


@given(data=st.binary(max_size=40), mask=st.binary(min_size=4, max_size=4))
def test_a_mask_is_undone_by_itself(data: bytes, mask: bytes) -> None:
    assert xor(data, mask) == bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    assert xor(xor(data, mask), mask) == data


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"\xc2\x00", "extension"),
        (frame(frames.BINARY, b"x", MASK), "with a mask"),
        (frame(frames.TEXT, b"{}"), "text"),
        (frame(3, b""), "unknown kind 3"),
        (frame(11, b""), "unknown kind 11"),
        (frame(frames.PING, b"", final=False), "in pieces"),
        (frame(frames.PING, bytes(126)), "too long"),
        (frame(frames.CONTINUATION, b"x"), "never begun"),
        (frame(frames.BINARY, b"", final=False) + frame(frames.BINARY, b""), "inside another"),
        (b"\x82\x7f" + b"\xff" * 8, "longer than any"),
    ],
)
def test_what_no_frame_is(bad: bytes, why: str) -> None:
    reader = FrameReader(masked=False)
    assert reader.feed(frame(frames.BINARY, b"before") + bad + frame(frames.BINARY, b"behind")) == b"before"
    assert why in str(reader.error)
    assert reader.feed(frame(frames.BINARY, b"later")) == b""


def test_a_client_must_mask() -> None:
    reader = FrameReader(masked=True)
    reader.feed(frame(frames.BINARY, b"x"))
    assert "without a mask" in str(reader.error)


@given(data=st.binary(max_size=64), masked=st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, masked: bool) -> None:
    whole, one_by_one = FrameReader(masked=masked), FrameReader(masked=masked)
    read = whole.feed(data)
    assert b"".join(one_by_one.feed(data[place : place + 1]) for place in range(len(data))) == read
    assert whole.controls == one_by_one.controls
    assert str(whole.error) == str(one_by_one.error)


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        (close_payload(1000), (1000, "")),
        (close_payload(1011, "out of order"), (1011, "out of order")),
        (b"", (1000, "")),
        (b"\x03\xe8\xff", (1000, "\ufffd")),
    ],
)
def test_a_close_says_why(payload: bytes, meant: tuple[int, str]) -> None:
    assert close_words(payload) == meant
