import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.hub.limits import COMMAND_BYTES
from ingest.sink.commands.command import Command, Origin, parse
from ingest.sink.commands.field_names import KEYS
from ingest.sink.commands.plain import plain_command, plain_fields

ORIGIN = Origin("iotout", 3, 99)
NOW_MS = 1_795_365_540_000
"""2026-11-22T16:39:00Z"""

texts = st.text(max_size=6) | st.sampled_from(
    [
        'a"b',
        "a\\b",
        "\0",
        "\ud800",
        "é",
        "\u2028",
        "full",
        "Full",
        "iothub-ack",
        "IoTHub-x",
        "2026-11-22T16:39:00Z",
        "2026-11-22T16:39:01Z",
    ]
)
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


def outcome(value: bytes) -> Command | str:
    try:
        made = parse(value, (), ORIGIN, now_ms=NOW_MS, default_ack="positive")
    except Undeliverable as why:
        return why.reason
    assert made is not None
    return made


def shortly(value: bytes) -> Command | None:
    return plain_command(value, ORIGIN, now_ms=NOW_MS, default_ack="positive")


@given(records())
@example(b'{"deviceId":"a","message":"on","deviceId":"b"}')
@example(b'{"deviceId":"a","message":"on","properties":{"x":"1","x":"2"}}')
@example(b'{"deviceId":"a","message":"on","properties":{"x":"1"},"properties":"y"}')
@example(b'{"deviceId":"a"}')
@example(b'\xef\xbb\xbf{"deviceId":"a","message":"on"}')
@example(b'{"deviceId":"\xed\xa0\x80","message":"on"}')
def test_it_is_the_command_that_any_other_way_makes(value: bytes) -> None:
    made = shortly(value)
    assert made is None or made == outcome(value)


@pytest.mark.parametrize(
    "pairs",
    [
        [("deviceId", "a"), ("message", "on")],
        [("deviceId", "a"), ("messageId", "m"), ("message", "größer"), ("ack", "full")],
        [("deviceId", "a"), ("message", "on"), ("properties", {"level": "1", "unit": "m"})],
        [("deviceId", "a"), ("message", ""), ("messageId", ""), ("correlationId", "c"), ("properties", {})],
        [("deviceId", "a"), ("message", "on"), ("expiryTime", "2026-11-22T16:39:01Z"), ("contentType", "text/plain")],
        [("deviceId", "a"), ("message", "on"), ("expiry", "2026-11-22T16:39:01Z"), ("contentEncoding", "utf-8")],
    ],
)
def test_most_commands_are_plain(pairs: Sequence[tuple[str, object]]) -> None:
    value = json.dumps(dict(pairs), ensure_ascii=False).encode()
    assert plain_fields(value) == dict(pairs)
    assert shortly(value) == outcome(value)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"deviceId": "a b"}, "invalid_device_id"),
        ({"deviceId": ""}, "invalid_device_id"),
        ({"moduleId": "m"}, "module_unsupported"),
        ({"ack": "perhaps"}, "invalid_property"),
        ({"contentType": "größer"}, "invalid_property"),
        ({"contentEncoding": "größer"}, "invalid_property"),
        ({"properties": {"IoTHub-ack": "full"}}, "invalid_property"),
        ({"expiryTime": ""}, "invalid_expiry"),
        ({"expiry": "soon"}, "invalid_expiry"),
        ({"expiry": "2026-11-22T16:39:01Z", "expiryTime": "2026-11-22T16:39:01Z"}, "invalid_expiry"),
        ({"expiryTime": "2026-11-22T16:39:00Z"}, "expired"),
        ({"message": "x" * COMMAND_BYTES}, "too_large"),
    ],
)
def test_what_is_wrong_is_left_to_the_other_way(more: dict[str, object], reason: str) -> None:
    value = json.dumps({"deviceId": "a", "message": "on", **more}, ensure_ascii=False).encode()
    assert shortly(value) is None
    assert outcome(value) == reason


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
