"""The newest event's number is the same whether it is decoded or read where it was before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.encoding import encode
from ingest.amqp.message import DELIVERY_ANNOTATIONS, section
from ingest.amqp.types import Symbol, Timestamp
from ingest.source.events import newest as module
from ingest.source.events.decoder import newest_of
from ingest.source.events.newest import Newest

NAME = Symbol("last_enqueued_sequence_number")
OFFSET = Symbol("last_enqueued_offset")
TIME = Symbol("runtime_info_retrieval_time_utc")
BODY = section(0x75, encode(b"body"))


def told(number: object, offset: str = "4294967296", more: object = "") -> bytes:
    return section(DELIVERY_ANNOTATIONS, encode({NAME: number, OFFSET: offset, TIME: Timestamp(1), "x": more})) + BODY


def behind(number: object) -> bytes:
    """The number is not the first of the annotations."""
    return section(DELIVERY_ANNOTATIONS, encode({OFFSET: "17", NAME: number})) + BODY


numbers = st.integers(-(1 << 63), (1 << 63) - 1)
payloads = st.one_of(
    st.builds(told, numbers, st.sampled_from(["9", "10", "x" * 300])),
    st.builds(told, st.sampled_from(["9", None, True, 1.5, NAME])),
    st.builds(behind, numbers),
    st.sampled_from([BODY, b"", b"\x00\x53\x71", told(7)[:40], section(DELIVERY_ANNOTATIONS, encode({}))]),
)


@given(st.lists(payloads, max_size=8))
def test_it_is_the_number_that_decoding_gives_whatever_came_before(several: list[bytes]) -> None:
    newest = Newest()
    assert [newest.of(payload) for payload in several] == [newest_of(payload) for payload in several]


@pytest.mark.parametrize("more", ["", "x" * 300], ids=["map8", "map32"])
def test_a_message_like_the_one_before_is_not_decoded(more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def counted(payload: bytes) -> int | None:
        decoded.append(payload)
        return newest_of(payload)

    monkeypatch.setattr(module, "newest_of", counted)
    newest = Newest()
    numbers = [500, 501, 1 << 40]
    assert [newest.of(told(number, more=more)) for number in numbers] == numbers
    assert decoded == [told(500, more=more)]
    assert newest.of(told(502, offset="10", more=more)) == 502
    assert len(decoded) == 2
