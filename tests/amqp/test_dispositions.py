"""The short way to read a disposition gives what the long one gives, or leaves it to that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp import dispositions
from ingest.amqp.composites import Composite
from ingest.amqp.errors import AmqpError
from ingest.amqp.frames import decode_body
from ingest.amqp.performatives import Accepted, Disposition, Error, Modified, Rejected, Released

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


@given(told)
def test_what_peers_write_is_read(disposition: Disposition) -> None:
    assert dispositions.read(disposition.encode()) == disposition


def test_a_peer_that_leaves_out_what_is_absent() -> None:
    assert dispositions.read(b"\x00\x53\x15\xc0\x04\x03\x41\x43\x40") == Disposition(role=True, first=0)
    state = Disposition(role=True, first=9, last=None, settled=True, state=Accepted())
    short = b"\x00\x53\x15\xc0\x0a\x05\x41\x52\x09\x40\x41\x00\x53\x24\x45"
    assert dispositions.read(short) == state == decode_body(short)[0]


@given(told, st.data())
def test_whatever_the_bytes_are_it_is_right_or_silent(disposition: Disposition, data: st.DataObject) -> None:
    body = bytearray(disposition.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(4, len(body) - 1))
        match data.draw(st.sampled_from(["change", "cut", "add"])):
            case "change":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at:]
            case "add":
                body.insert(at, data.draw(st.integers(0, 255)))
        if len(body) <= 5:
            break
    if (read := dispositions.read(bytes(body))) is not None:
        assert decode_body(bytes(body)) == (read, b"")


@pytest.mark.parametrize("cut", range(4, 15))
def test_one_that_is_cut_short_is_left_to_the_long_way(cut: int) -> None:
    whole = b"\x00\x53\x15\xc0\x0a\x05\x41\x52\x09\x40\x41\x00\x53\x24\x45"
    assert dispositions.read(whole[:cut]) is None
    with pytest.raises(AmqpError):
        decode_body(whole[:cut])
