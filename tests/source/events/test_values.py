"""Whatever AMQP can say is told apart, and comes back from the records of both formats with its value and type."""

import base64
import math
import re
import struct
import uuid
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.decimals import to_decimal
from ingest.amqp.decoding import decode_as_bytes
from ingest.amqp.encoding import encode
from ingest.amqp.types import Binary, Char, Decimal32, Decimal64, Decimal128, Described, Float, Pairs, Timestamp, ULong
from ingest.source.events.decoder import event_of
from ingest.source.events.event import Labels
from ingest.source.events.values import aside, json_of, label, name_of, plain
from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import JSON_HEADER, RawFormat
from tests.amqp import strategies as amqp
from tests.source import messages


def typed(value: Any) -> Any:
    """The inverse of `plain`, as docs/records.md has it. Maps are lists of pairs, decimals `Decimal`, other text `str`."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not next(iter(value)).startswith("$"):
        return ("map", [(key, typed(item)) for key, item in value.items()])
    ((kind, inner),) = value.items()
    match kind:
        case "$binary":
            return Binary(base64.b64decode(inner))
        case "$string":
            return ("string", base64.b64decode(inner))
        case "$decimal":
            return Decimal(inner)
        case "$double":
            return float(inner)
        case "$integer":
            return int(inner)
        case "$timestamp":
            return Timestamp(inner)
        case "$char":
            return Char(inner)
        case "$uuid":
            return uuid.UUID(inner)
        case "$described":
            return ("described", *map(typed, inner))
        case "$map":
            return ("map", [(typed(key), typed(item)) for key, item in inner])
    raise AssertionError(f"{kind} is in no table")


def meant(value: Any) -> Any:
    """What `typed` is to give for a value of our encoder."""
    match value:
        case Decimal32() | Decimal64() | Decimal128():
            return to_decimal(value)
        case bytes():
            return Binary(value)
        case Timestamp() | Char() | uuid.UUID() | bool() | None:
            return value
        case str():
            return str(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case Described():
            return ("described", meant(value.descriptor), meant(value.value))
        case list():
            return [meant(item) for item in value]
        case dict():
            return ("map", [(meant(key), meant(item)) for key, item in value.items()])
    raise AssertionError(type(value))


def shown(value: Any) -> str:
    """With types and signs, so that 1 and True, 0.0 and -0.0 and all NaN compare as they should."""
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(shown, value))})"
    return f"{type(value).__name__} {value!r}"


odd_floats = st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
likely_confused = st.sampled_from(
    [
        {"$double": "NaN"},
        {"$map": [["a", 1]]},
        {"$": None},
        {"$binary": "AA==", "b": 1},
        {},
        "$double",
        '{"$double":"NaN"}',
        "5",
        5,
        True,
        "true",
        None,
        "null",
        Float(0.5),
        b"5",
        "\0",
        {"\0": "\0"},
        {5: 1, "5": 2},
        Decimal128(bytes.fromhex("78000000000000000000000000000000")),
        ULong((1 << 64) - 1),
        (1 << 53) + 1,
    ]
)
odd_floats32 = st.sampled_from([math.nan, math.inf, -math.inf, -0.0]).map(Float)
VALUES = st.recursive(
    amqp.primitives | amqp.arrays | odd_floats | odd_floats32 | likely_confused, amqp.compounds, max_leaves=5
)
NAMES = st.text(st.sampled_from("a%:0$F\0é4"), max_size=6) | amqp.text.map(lambda text: text[:20])


@given(VALUES)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    decoded, _ = decode_as_bytes(encode(value))
    written = json_of(plain(decoded))
    assert shown(typed(orjson.loads(written))) == shown(meant(value))


def name_back(name: str) -> bytes:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), name.encode())
    assert b"\0" not in name.encode()  # nor anything that is no UTF-8: a header's name can hold neither
    return raw


@given(NAMES.map(str.encode) | st.binary(max_size=8))
@example(b"%:5")
@example(b"%25%")
@example(b"%ff\xff%FF")
def test_a_name_comes_back(key: bytes) -> None:
    name = name_of(key)
    assert not name.startswith("%:")
    assert name_back(name) == key


@given(VALUES.filter(lambda value: not isinstance(value, str)))
def test_a_key_that_is_no_text_has_a_name_that_no_text_has(key: Any) -> None:
    decoded, _ = decode_as_bytes(encode(key))
    name = name_of(decoded)
    assert name.startswith("%:")
    assert shown(typed(orjson.loads(name[2:]))) == shown(meant(key))


def test_usual_names_are_untouched() -> None:
    for name in ("level", "x-opt-new", "50%", "a:b", "100%zz", "%", "é", "$x", ""):
        assert name_of(name.encode()) == name
    assert (name_of(b"a\0b"), name_of(b"%41"), name_of(b"%:")) == ("a%00b", "%2541", "%25:")
    assert aside("to") == "%74o"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), {"$double": "NaN"}),
        (float("-inf"), {"$double": "-Infinity"}),
        (2**70, {"$integer": "1180591620717411303424"}),
        (2**64 - 1, 2**64 - 1),
        (b"text", "text"),
        (b"\xff", {"$string": "/w=="}),
        (Binary(b"text"), {"$binary": "dGV4dA=="}),
        (Pairs([(b"a", 1), (b"a", 2)]), {"$map": [["a", 1], ["a", 2]]}),
        (Pairs([([1], 1)]), {"$map": [[[1], 1]]}),
        ({b"$a": 1}, {"$map": [["$a", 1]]}),
        ({b"$a": 1, b"b": 2}, {"$a": 1, "b": 2}),
    ],
)
def test_examples(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_a_float_is_a_number_of_exactly_its_value() -> None:
    value, _ = decode_as_bytes(encode(Float(0.1)))
    assert type(plain(value)) is Float
    assert json_of(plain(value)) == b"0.10000000149011612"
    assert struct.unpack(">f", struct.pack(">f", orjson.loads(b"0.10000000149011612")))[0] == value


def test_a_readable_form_is_no_object() -> None:
    identity = uuid.UUID(int=1)
    values = [None, b"a", Binary(b"a"), b"\xff", 5, 1.5, identity, Decimal32((101 << 23 | 7).to_bytes(4, "big")), [1]]
    assert [label(value) for value in values] == [None, "a", "a", "/w==", "5", "1.5", str(identity), "7", "[1]"]


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_properties_come_back_from_both_formats(given_properties: dict[str, Any]) -> None:
    payload = messages.usual(properties=given_properties)
    event = event_of(payload)
    wanted = [(name.encode(), shown(meant(value))) for name, value in given_properties.items()]
    fields = orjson.loads(JsonFormat("0").encode(event).value)
    assert [(name_back(name), shown(typed(item))) for name, item in fields["properties"].items()] == wanted
    headers = RawFormat("0").encode(event).headers or []
    is_json = {name for key, value in headers if key == JSON_HEADER for name in orjson.loads(value or b"")}
    found = []
    for name, raw in headers:
        if name.startswith("p-"):
            assert isinstance(raw, bytes)
            item = typed(orjson.loads(raw)) if name in is_json else raw.decode()
            found.append((name_back(name[2:]), shown(item)))
    assert found == wanted


def test_the_labels_of_usual_traffic_are_as_they_were() -> None:
    properties = {"s": "text", "i": 5, "b": True, "d": 21.5, "n": None, "l": [1, "a"], "m": {"a": 1}}
    labels = event_of(messages.usual(properties=properties)).labels
    assert isinstance(labels, Labels)
    assert labels.properties == properties
