import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.migrate.java_map import BadMap, read_pairs

REAL = (Path(__file__).parent.parent / "vectors" / "offsets-0.10.2.1.bin").read_bytes()
HEAD = REAL[: REAL.index(b"w\x08")]
CLASS = b"ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp"
Pairs = Sequence[tuple[bytes | None, bytes | None]]


def written(pairs: Pairs, count: int | None = None) -> bytes:
    """As java.io.ObjectOutputStream writes it: the class once, and an array that was there before as a reference."""
    parts = [HEAD, b"w\x08", struct.pack(">II", 16, len(pairs) if count is None else count)]
    handles: dict[int, int] = {}
    for element in (each for pair in pairs for each in pair):
        if element is None:
            parts.append(b"p")
        elif id(element) in handles:
            parts.append(b"q" + struct.pack(">I", handles[id(element)]))
        else:
            parts.append(CLASS if not handles else b"uq\x00\x7e\x00\x02")
            handles[id(element)] = 0x7E0003 + len(handles)
            parts.append(struct.pack(">I", len(element)) + element)
    return b"".join([*parts, b"x"])


_ARRAYS = st.none() | st.binary(max_size=20) | st.sampled_from([b"one and the same", b""])


@settings(max_examples=40)
@given(st.lists(st.tuples(_ARRAYS, _ARRAYS), max_size=8))
def test_maps_of_byte_arrays(pairs: Pairs) -> None:
    assert read_pairs(written(pairs)) == pairs


@given(st.data())
def test_a_file_that_was_cut_or_changed_is_refused_or_read(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(REAL) - 1))
    content = REAL[:at] + data.draw(st.binary(max_size=4)) + REAL[at + 1 :]
    with suppress(BadMap):
        assert sum(len(each or b"") for pair in read_pairs(content) for each in pair) <= len(content)


@given(st.integers(0, len(REAL) - 1))
def test_a_file_that_ends_early_is_refused(end: int) -> None:
    with pytest.raises(BadMap):
        read_pairs(REAL[:end])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a=b",
        b"\xac\xed\x00\x05p",
        b"\xac\xed\x00\x05sr\x00\x13java.util.Hashtable",
        written([], count=0xFFFFFFFF),
        written([(b"a", b"b")], count=2),
        written([(b"a", b"b")]) + b"x",
        HEAD + b"w\x08" + struct.pack(">II", 16, 1) + CLASS + b"\xff\xff\xff\xff",
        HEAD + b"w\x08" + struct.pack(">II", 16, 1) + b"q\x00\x7e\x00\x00" * 2 + b"x",
        HEAD + b"w\x08" + struct.pack(">II", 16, 1) + b"q\x00\x7e\x00\x03" * 2 + b"x",
        HEAD + b"w\x08" + struct.pack(">II", 16, 1) + b"t\x00\x01a" * 2 + b"x",
    ],
)
def test_what_is_no_such_map(content: bytes) -> None:
    with pytest.raises(BadMap):
        read_pairs(content)


def test_many_references_to_a_large_array_cost_nothing() -> None:
    large = b"x" * 1_000_000
    pairs = read_pairs(written([(large, large)] * 1000))
    assert len({id(each) for pair in pairs for each in pair}) == 1
