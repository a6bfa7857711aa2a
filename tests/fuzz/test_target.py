"""Any bytes give an event or one clear error, in memory that the bytes explain: what the fuzzer found, and more."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.target import KNOWN, hot_path, message, stream

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
BYTES_PER_BYTE = 1_000
"""A byte may stand for an object of its own, in each of the decoders and formats."""
BASE_BYTES = 1 << 20


def test_there_is_a_corpus() -> None:
    assert len(CORPUS) > 20


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_the_fuzzer_found(path: Path) -> None:
    data = path.read_bytes()
    hot_path(data)
    tracemalloc.start()
    try:
        hot_path(data)
        assert tracemalloc.get_traced_memory()[1] < BASE_BYTES + BYTES_PER_BYTE * len(data)
    finally:
        tracemalloc.stop()


@given(data=st.binary(max_size=500))
def test_any_bytes(data: bytes) -> None:
    hot_path(data)


@given(
    known=st.sampled_from(KNOWN),
    changes=st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 4), st.binary(max_size=4)), max_size=3),
)
def test_known_messages_with_changes(known: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for at, dropped, put in changes:
        place = at % (len(known) + 1)
        known = known[:place] + put + known[place + dropped :]
    message(known)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00\x53\x72\xd1\x00\x00\x00\x04\xff\xff\xff\xff",
        b"\x00\x53\x72\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
        b"\x00\x53\x72\xf0\x00\x00\x00\x05\x00\x00\x00\x10\x40",
        b"\x00\x53\x75\xb0\xff\xff\xff\xff",
        b"\x00" * 4_000,
        b"\xc0\xff\xff" * 1_000,
        b"\x00\x53\x72\xd0" + b"\x00\x00\x0f\x00\x00\x00\x0f\x00" + b"\x45" * 4_000,
    ],
    ids=lambda payload: payload[:12].hex(),
)
def test_sizes_and_depths_that_lie(payload: bytes) -> None:
    tracemalloc.start()
    try:
        message(payload)
        stream(payload, size=7)
        assert tracemalloc.get_traced_memory()[1] < BASE_BYTES + BYTES_PER_BYTE * len(payload)
    finally:
        tracemalloc.stop()
