from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.frames import Frame, FrameSplitter, decode_body
from ingest.amqp.performatives import Transfer
from ingest.amqp.transfers import TransferEncoder

LARGEST = 512
handles = st.integers(0, 255)
ids = st.integers(0, 0xFFFF_FFFF)


def transfers(raw: bytes) -> list[tuple[Transfer, bytes]]:
    found = []
    for frame in FrameSplitter(LARGEST).feed(raw):
        assert isinstance(frame, Frame)
        assert frame.channel == 9
        performative, payload = decode_body(frame.body)
        assert isinstance(performative, Transfer)
        found.append((performative, payload))
    return found


ROOM = LARGEST - len(TransferEncoder(9, 1, LARGEST).split(0, b"")[0])


@given(handles, ids, st.integers(0, 1200))
@example(1, 0, ROOM - 1)
@example(1, 0, ROOM)
@example(1, 0, ROOM + 1)
@example(1, 0, 2 * ROOM)
def test_splitting(handle: int, delivery_id: int, size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    frames = TransferEncoder(9, handle, LARGEST).split(delivery_id, payload)
    found = transfers(b"".join(frames))
    assert len(found) == len(frames)
    assert b"".join(part for _, part in found) == payload
    assert [transfer.more for transfer, _ in found] == [True] * (len(found) - 1) + [False]
    for transfer, _ in found:
        assert transfer.delivery_tag == delivery_id.to_bytes(4, "big")
        assert (transfer.handle, transfer.delivery_id, transfer.settled) == (handle, delivery_id, True)
    assert all(len(frame) == LARGEST for frame in frames[:-1])


@example(1, 0xFFFF_FFFF, [1, 1])
@example(1, 0, [ROOM, ROOM + 1])
@given(handles, ids, st.lists(st.integers(0, 600), max_size=8))
def test_encoding_stops_at_the_first_that_must_be_split(handle: int, first: int, sizes: list[int]) -> None:
    encoder = TransferEncoder(9, handle, LARGEST)
    payloads = [bytes([index]) * size for index, size in enumerate(sizes)]
    out: list[bytes] = []
    whole, rest = encoder.encode(out, first, payloads)
    found = transfers(b"".join(out))
    assert [payload for _, payload in found] == payloads[:whole]
    assert [transfer.delivery_id for transfer, _ in found] == [(first + n) & 0xFFFF_FFFF for n in range(whole)]
    if whole < len(payloads):
        assert rest == encoder.split((first + whole) & 0xFFFF_FFFF, payloads[whole])
        assert len(rest) > 1
    else:
        assert rest == []
