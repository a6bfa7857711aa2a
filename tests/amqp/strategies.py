"""Any AMQP value, for property tests."""

import math
import uuid

from hypothesis import strategies as st

from ingest.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


text = st.text(st.characters(codec="utf-8"), max_size=300)
symbols = st.text(st.characters(codec="ascii"), max_size=300).map(Symbol)
floats32 = st.floats(width=32, allow_nan=False).map(Float)
doubles = st.floats(allow_nan=False)

integers = st.one_of(
    unsigned(8).map(UByte),
    unsigned(16).map(UShort),
    unsigned(32).map(UInt),
    unsigned(64).map(ULong),
    signed(8).map(Byte),
    signed(16).map(Short),
    signed(32).map(Int),
    signed(64),
)
common = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    signed(64).map(Timestamp),
    floats32,
    doubles,
    st.binary(max_size=300),
    text,
    symbols,
    st.uuids(),
)
primitives = st.one_of(
    common,
    st.characters(codec="utf-8").map(Char),
    st.binary(min_size=4, max_size=4).map(Decimal32),
    st.binary(min_size=8, max_size=8).map(Decimal64),
    st.binary(min_size=16, max_size=16).map(Decimal128),
)
arrays = st.one_of(
    *(
        st.lists(items, max_size=20).map(Array)
        for items in (
            st.booleans(),
            unsigned(8).map(UByte),
            unsigned(16).map(UShort),
            unsigned(32).map(UInt),
            unsigned(64).map(ULong),
            signed(8).map(Byte),
            signed(16).map(Short),
            signed(32).map(Int),
            signed(64),
            floats32,
            doubles,
            signed(64).map(Timestamp),
            st.uuids(),
            st.binary(max_size=40),
            text,
            symbols,
        )
    )
)
odd_arrays = st.one_of(
    *(
        st.lists(items, max_size=4).map(Array)
        for items in (
            st.none(),
            st.characters(codec="utf-8").map(Char),
            st.binary(min_size=4, max_size=4).map(Decimal32),
            st.binary(min_size=8, max_size=8).map(Decimal64),
            st.binary(min_size=16, max_size=16).map(Decimal128),
            arrays,
            st.lists(common, max_size=3),
            st.dictionaries(text, common, max_size=3),
            st.builds(Described, st.just(Symbol("d")), symbols),
            st.builds(Described, st.just(ULong(0x468C00000004)), text),
        )
    )
)
keys = st.one_of(text, symbols, signed(64))


def compounds(children: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.lists(children, max_size=6),
        st.dictionaries(keys, children, max_size=6),
        st.builds(Described, st.one_of(symbols, unsigned(64).map(ULong)), children),
    )


values = st.recursive(st.one_of(primitives, arrays, odd_arrays), compounds, max_leaves=20)


def plain(value: object) -> object:
    """The value as the decoder gives it back: integers and floats without their wire type."""
    if isinstance(value, bool | Timestamp) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        assert not math.isnan(value)
        return float(value)
    if isinstance(value, Described):
        return Described(plain(value.descriptor), plain(value.value))
    if isinstance(value, Array):
        return Array(map(plain, value))
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    assert isinstance(value, str | bytes | uuid.UUID)
    return value


def same(left: object, right: object) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return same(list(left.items()), list(right.items()))
    return left == right
