import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.sink.commands.field_names import KEYS
from ingest.sink.commands.formats.json_object import JsonObject
from ingest.sink.commands.plain import plain_fields
from ingest.sink.commands.record_layout import RawCommand, read

SLOWLY = JsonObject()
SLOWLY.reads_plain = False

texts = st.text(max_size=6) | st.sampled_from(['a"b', "a\\b", "\0", "\ud800", "é", "\u2028"])
scalars = texts | st.none() | st.booleans() | st.integers() | st.sampled_from([1e3, 0.5])
names = st.sampled_from(KEYS) | st.sampled_from(["deviceid", "schema", "payload", "x", "p-x"])
objects = st.dictionaries(texts, scalars, max_size=3)
members = st.lists(st.tuples(names, scalars | objects | st.lists(scalars, max_size=2)), max_size=6)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Objects whose names may come twice, with or without escapes and white space."""
    escaped, blank = draw(st.booleans()), draw(st.sampled_from(["", " ", "\n"]))
    written = [f"{json.dumps(name)}:{blank}{json.dumps(value, ensure_ascii=escaped)}" for name, value in draw(members)]
    behind = draw(st.sampled_from(["", "", " ", "x", "}"]))
    return f"{blank}{{{f'{blank},'.join(written)}}}{behind}".encode("utf-8", "surrogatepass")


def outcome(value: bytes, form: JsonObject) -> RawCommand | tuple[str, str]:
    try:
        return read(value, (), form)
    except Undeliverable as why:
        return why.reason, str(why)


@given(records())
@example(b'{"deviceId":"a","message":"on","deviceId":"b"}')
@example(b'{"deviceId":"a","message":"on","properties":{"x":"1","x":"2"}}')
@example(b'{"deviceId":"a","message":"on","properties":{"x":"1"},"properties":"y"}')
@example(b'{"deviceId":"a","message":"on","expiry":"2026-11-22T16:39:00Z","expiryTime":"2026-11-22T16:39:00Z"}')
@example(b'{"deviceId":"a"}')
@example(b'\xef\xbb\xbf{"deviceId":"a","message":"on"}')
@example(b'{"deviceId":"\xed\xa0\x80","message":"on"}')
def test_it_is_read_as_any_other_record(value: bytes) -> None:
    assert outcome(value, JsonObject()) == outcome(value, SLOWLY)


@pytest.mark.parametrize(
    "pairs",
    [
        [("deviceId", "a"), ("message", "on")],
        [("deviceId", "a"), ("messageId", "m"), ("message", "größer"), ("ack", "full")],
        [("deviceId", "a"), ("message", "on"), ("properties", {"level": "1", "unit": "m"})],
    ],
)
def test_most_commands_are_plain(pairs: Sequence[tuple[str, object]]) -> None:
    assert plain_fields(json.dumps(dict(pairs), ensure_ascii=False).encode()) == dict(pairs)


@pytest.mark.parametrize(
    "value",
    [
        b'{"deviceId":"a","message":1}',
        b'{"deviceId":"a","message":"a\\nb"}',
        b'{"deviceId":"a","message":"on","properties":{"x":1}}',
        b'{"deviceId":"a","message":"on","properties":{"x":{"y":"z"}}}',
        b'{"deviceId":"a","message":"on","other":"x"}',
        b'["deviceId"]',
        b"on",
        b"\x00\x00\x00\x00\x01",
    ],
)
def test_others_are_not(value: bytes) -> None:
    assert plain_fields(value) is None
