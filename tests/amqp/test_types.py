import contextlib
import struct
import tracemalloc

import pytest
from azure.eventhub._pyamqp._decode import _DECODE_BY_CONSTRUCTOR
from azure.eventhub._pyamqp._encode import encode_value
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.decoding import MAX_DEPTH, decode, decode_typed
from ingest.amqp.encoding import encode, encode_list
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Array, Char, Described, Float, Int, Symbol, Timestamp, UByte, UInt, ULong
from tests.amqp.strategies import arrays, common, keys, plain, same, values


@given(values, st.binary(max_size=20), st.binary(max_size=20))
def test_what_is_encoded_is_decoded(value: object, before: bytes, after: bytes) -> None:
    encoded = encode(value)
    found, end = decode(before + encoded + after, len(before))
    assert same(found, plain(value))
    assert end == len(before) + len(encoded)


@given(values)
def test_what_is_decoded_typed_is_encoded_to_the_same_bytes(value: object) -> None:
    encoded = encode(value)
    found, end = decode_typed(encoded)
    assert same(found, value)
    assert end == len(encoded)
    assert encode(found) == encoded


@given(st.one_of(st.binary(max_size=60), values.map(encode)), st.data())
@example(b"\xe0\x04\x02\x00\x53\x05\x41", None)
@example(b"\xf0\x00\x00\x00\x0b\x00\x00\x00\x02\xe0\x02\x00\x40\x02\x00\x40", None)
@example(b"\x00\x55\xff\x40", None)
def test_what_can_be_read_can_be_sent_back(raw: bytes, data: st.DataObject | None) -> None:
    """Whatever a stranger put into its attach, the answer that repeats it can be written."""
    changed = bytearray(raw)
    if data is not None and raw:
        changed[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = decode_typed(changed)
    except AmqpError:
        return
    again = encode(found)
    assert encode(decode_typed(again)[0]) == again


@pytest.mark.parametrize("raw", [b"\x44", b"\x53\x0c", b"\x80\x00\x00\x46\x8c\x00\x00\x00\x04", b"\xa3\x03a:b"])
def test_a_descriptor_keeps_its_type(raw: bytes) -> None:
    """Numbers are ulongs there, however they were read; Go's and Java's clients take nothing else back."""
    described = b"\x00" + raw + b"\xa1\x01x"
    for read in (decode, decode_typed):
        assert encode(read(described)[0]) == described
        array = encode(Array([read(described)[0]] * 2))
        assert array == b"\xf0" + struct.pack(">II", len(raw) + 16, 2) + b"\x00" + raw + b"\xb1\0\0\0\x01x\0\0\0\x01x"


@given(values)
def test_a_memoryview_decodes_to_the_same(value: object) -> None:
    encoded = encode(value)
    assert same(decode(memoryview(encoded)), decode(encoded))


@given(values, st.data())
def test_a_value_cut_short_is_an_error(value: object, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(AmqpError):
        decode(encoded[:cut])


@given(st.binary(max_size=200))
@example(b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40")
@example(b"\xd1\x00\x00\x00\x06\x00\x00\x00\x02\x45\x40")
@example(b"\x73\x00\x11\x00\x00")
@example(b"\xa1\x01\xff")
@example(b"\xa3\x01\xff")
def test_any_bytes_are_a_value_or_an_error(raw: bytes) -> None:
    with contextlib.suppress(AmqpError):
        assert 0 < decode(raw)[1] <= len(raw)


@given(values, st.data())
def test_a_damaged_value_is_a_value_or_an_error(value: object, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(AmqpError):
        decode(raw)


def test_nesting_is_bounded() -> None:
    nested = b"\x40"
    for _ in range(MAX_DEPTH):
        nested = encode_list([nested])
    assert decode(nested)[1] == len(nested)
    with pytest.raises(AmqpError, match="deep"):
        decode(encode_list([nested]))
    with pytest.raises(AmqpError, match="deep"):
        decode(b"\x00" * 100_000)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff",
        b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x41",
        b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x45",
        b"\xb0\xff\xff\xff\xff",
        b"\xd0\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_a_size_is_not_believed_before_it_is_checked(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(AmqpError):
            decode(raw)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_arrays_of_described_items_are_read() -> None:
    raw = b"\xe0\x07\x02" + b"\x00\x53\x24" + b"\x52\x01\x02"
    assert decode(raw)[0] == Array([Described(0x24, 1), Described(0x24, 2)])


@pytest.mark.parametrize(
    "value",
    [
        UByte(256),
        UInt(-1),
        ULong(1 << 64),
        1 << 64,
        Int(1 << 31),
        Symbol("ü"),
        "\ud800",
        object(),
        {"a": {1, 2}},
        Array([1, "a"]),
        Array([Described(1, 2), Described(3, 2)]),
        Array([Described(1, 2), Described(1, "a")]),
        Array([{1, 2}]),
        Described(1 << 64, 2),
    ],
)
def test_what_amqp_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(AmqpError):
        encode(value)


def test_the_smallest_form_is_chosen() -> None:
    assert encode(UInt(0)) == b"\x43"
    assert encode(UInt(255)) == b"\x52\xff"
    assert encode(UInt(256)) == b"\x70\x00\x00\x01\x00"
    assert encode(ULong(0)) == b"\x44"
    assert encode(-128) == b"\x55\x80"
    assert encode(128) == b"\x81" + struct.pack(">q", 128)
    assert encode("x" * 255)[:2] == b"\xa1\xff"
    assert encode("x" * 256)[:1] == b"\xb1"
    assert encode([]) == b"\x45"
    assert encode_list([]) == b"\xc0\x01\x00"
    assert encode(Char("A")) == b"\x73\x00\x00\x00A"
    assert encode(Float(1.0)) == b"\x72" + struct.pack(">f", 1.0)


def theirs(raw: bytes) -> object:
    rest, value = _DECODE_BY_CONSTRUCTOR[raw[0]](memoryview(raw)[1:])
    assert not rest
    return value


def as_theirs(value: object) -> object:
    """azure-eventhub gives text as bytes, drops descriptors, and names the outcomes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [as_theirs(item) for item in value]
    if isinstance(value, dict):
        return {as_theirs(key): as_theirs(item) for key, item in value.items()}
    return value


# azure-eventhub leaves the item constructor of an empty array unread.
_theirs_too = st.recursive(
    st.one_of(common, arrays.filter(len)),
    lambda children: st.one_of(st.lists(children, max_size=6), st.dictionaries(keys, children, max_size=6)),
    max_leaves=20,
)


@given(_theirs_too)
def test_azure_eventhub_decodes_what_we_encode(value: object) -> None:
    assert theirs(encode(value)) == as_theirs(plain(value))


_they_encode = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 31), (1 << 31) - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(codec="utf-8"), max_size=300),
        st.binary(max_size=300),
        st.uuids(),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=6), st.dictionaries(st.text(st.characters(codec="utf-8")), children, max_size=6)
    ),
    max_leaves=20,
)


@given(_they_encode)
def test_we_decode_what_azure_eventhub_encodes(value: object) -> None:
    raw = bytearray()
    encode_value(raw, value)
    found, end = decode(bytes(raw))
    assert end == len(raw)
    assert found == value


def test_timestamps_and_symbols_keep_their_kind() -> None:
    assert isinstance(decode(encode(Timestamp(-1)))[0], Timestamp)
    found = decode(encode({Symbol("x-opt-offset"): "1"}))[0]
    assert found["x-opt-offset"] == "1"
    assert isinstance(next(iter(found)), Symbol)
