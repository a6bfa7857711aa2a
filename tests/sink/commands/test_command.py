import json
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.amqp.message import Message, Properties
from ingest.emulator.c2d.message import device_of
from ingest.errors import Undeliverable
from ingest.hub.limits import COMMAND_BYTES
from ingest.sink.commands.command import Command, Origin, message_id_for, parse
from ingest.sink.commands.field_names import HEADERS, KEYS
from ingest.sink.commands.record_layout import Headers

ORIGIN = Origin("iotout", 3, 42)
NOW_MS = 1_800_000_000_000
ID_CHARACTERS = "abcXYZ019-._%#*?!(),:=@$'+;"
REASONS = {
    "malformed",
    "unknown_field",
    "invalid_device_id",
    "module_unsupported",
    "invalid_property",
    "invalid_expiry",
    "too_large",
    "expired",
}
on_the_wire = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)

Json = dict[str, object]


def parsed(value: bytes, headers: Headers | None = None) -> Command:
    command = parse(value, headers, ORIGIN, now_ms=NOW_MS)
    assert command is not None
    return command


def of(**fields: object) -> Command:
    return parsed(orjson.dumps({"deviceId": "d1", "message": "on", **fields}))


def refused(value: bytes, headers: Headers | None = None) -> tuple[str, str]:
    with pytest.raises(Undeliverable) as caught:
        parse(value, headers, ORIGIN, now_ms=NOW_MS)
    return caught.value.reason, str(caught.value)


def refused_of(**fields: object) -> tuple[str, str]:
    return refused(orjson.dumps({"deviceId": "d1", "message": "on", **fields}))


def test_the_walkthrough_s_own_command() -> None:
    command = parsed(b'{"messageId":"msg1","message":"Turn On","deviceId":"myDeviceId"}')
    assert command == Command("myDeviceId", b"Turn On", "msg1", None, None, "none", None, {}, ORIGIN)
    assert command.to == "/devices/myDeviceId/messages/devicebound"


def test_every_key_of_the_json_shape() -> None:
    command = of(
        messageId="m",
        correlationId="c",
        contentType="application/json",
        contentEncoding="utf-8",
        ack="full",
        expiryTime="2030-01-01T00:00:00Z",
        properties={"kind": "set", "empty": ""},
        unknown=1,
    )
    assert (command.message_id, command.correlation_id, command.content_type) == ("m", "c", "application/json")
    assert command.content_encoding == "utf-8"
    assert command.passed_over == ("the key 'unknown'",)
    assert (command.ack, command.expiry_ms) == ("full", 1_893_456_000_000)
    assert command.properties == {"kind": "set", "empty": ""}


def test_null_stands_for_an_absent_key_and_for_a_message_of_null() -> None:
    assert of(**dict.fromkeys(set(KEYS) - {"deviceId", "message"})) == of()
    assert of(properties={"gone": None, "kind": "set"}).properties == {"kind": "set"}
    assert parsed(b"on", [("deviceId", b"d1"), *((name, None) for name in HEADERS[1:]), ("p-gone", None)]) == of()
    assert of(message=None).body == b"null"


@pytest.mark.parametrize("key", ["expiry", "expiryTime"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00Z", 1_893_456_000_000),
        ("2030-01-01T01:30:00+01:30", 1_893_456_000_000),
        ("2030-01-01T00:00:00.123456789Z", 1_893_456_000_123),
        ("20300101T000000Z", 1_893_456_000_000),
        ("2030-01-01t00:00:00z", 1_893_456_000_000),
        ("9999-12-31T23:59:59.999-23:59", 253_402_387_139_999),
    ],
)
def test_expiry_in_both_of_the_old_connector_s_keys(key: str, text: str, expected: int) -> None:
    assert of(**{key: text}).expiry_ms == expected


@given(
    st.datetimes(min_value=datetime(2028, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(-1439, 1439),
)
def test_expiry_round_trip(moment: datetime, minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    milliseconds = of(expiryTime=moment.isoformat()).expiry_ms
    assert milliseconds is not None
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds) == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )


def test_header_shape_leaves_the_body_alone() -> None:
    body = b"\x00\xff not JSON"
    headers: Headers = [
        ("deviceId", b"first"),
        ("deviceId", "d1"),
        ("messageId", b"m"),
        ("correlationId", b"c"),
        ("contentType", b"application/octet-stream"),
        ("contentEncoding", b"gzip"),
        ("ack", b"negative"),
        ("expiryTime", b"2030-01-01T00:00:00Z"),
        ("p-kind", b"set"),
        ("traceparent", b"\xff"),
        ("p", None),
    ]
    assert parsed(body, headers) == Command(
        "d1",
        body,
        "m",
        "c",
        "application/octet-stream",
        "negative",
        1_893_456_000_000,
        {"kind": "set"},
        ORIGIN,
        "gzip",
    )
    assert parsed(b"", [("deviceId", b"d1")]).body == b""


def test_headers_without_device_id_leave_the_json_shape() -> None:
    assert parsed(b'{"deviceId":"d1","message":"on"}', [("messageId", b"ignored"), ("trace", b"\xff")]) == of()


def test_a_tombstone_is_no_command() -> None:
    assert parse(None, None, ORIGIN, now_ms=NOW_MS) is None
    assert parse(None, [("deviceId", b"d1")], ORIGIN, now_ms=NOW_MS) is None


def test_ack_of_the_configuration_is_the_default() -> None:
    value = b'{"deviceId":"d1","message":"on"}'
    command = parse(value, None, ORIGIN, now_ms=NOW_MS, default_ack="full")
    assert command is not None
    assert command.ack == "full"
    assert of(ack="positive").ack == "positive"


@pytest.mark.parametrize(
    ("word", "ack"),
    [
        ("FULL", "full"),
        ("Full", "full"),
        ("None", "none"),
        ("PositiveOnly", "positive"),
        ("negativeOnly", "negative"),
        ("Positive", "positive"),
    ],
)
def test_words_of_ack(word: str, ack: str) -> None:
    assert of(ack=word).ack == ack
    assert parsed(b"on", [("deviceId", b"d1"), ("ack", word.encode())]).ack == ack


@given(st.text(st.sampled_from(ID_CHARACTERS), min_size=1, max_size=128))
@example("valve%41")
def test_the_address_is_of_the_device_that_was_named(device_id: str) -> None:
    found = device_of(Message(properties=Properties(to=of(deviceId=device_id).to)))
    assert found == device_id


@pytest.mark.parametrize("name", ["moduleId", "ModuleId", "module_id", "moduleid", "module-id", "moduleID"])
@pytest.mark.parametrize("value", ["m", "", "$edgeHub"])
def test_a_command_for_a_module_never_goes_to_the_device(name: str, value: str) -> None:
    reason = "module_unsupported" if name == "moduleId" else "unknown_field"
    assert refused_of(**{name: value})[0] == reason
    assert refused(b"on", [("deviceId", b"d1"), (name, value.encode())])[0] == reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("two words", "two words"),
        ("a:b", "a/b"),
        ("größe", "süß 😀"),
        ("line", "a\nb\r\t\x7f"),
        ("", "no name"),
        ("empty", ""),
        ("quotes", "\"\\'"),
    ],
)
def test_properties_are_for_the_hub_to_judge(name: str, value: str) -> None:
    assert of(properties={name: value}).properties == {name: value}
    assert parsed(b"on", [("deviceId", b"d1"), (f"p-{name}", value.encode())]).properties == {name: value}


def test_other_texts_are_for_the_hub_to_judge() -> None:
    text = "Auftrag 17/ü" * 20
    command = of(messageId=text, correlationId=text, contentType="text/plain; charset=utf-8", contentEncoding="")
    assert (command.message_id, command.correlation_id) == (text, text)
    assert (command.content_type, command.content_encoding) == ("text/plain; charset=utf-8", "")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"", "empty"),
        (b"Turn On", "JSON"),
        (b'{"deviceId":"d1"', "JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"deviceId":"d\xff","message":"on"}', "UTF-8"),
        (b"null", "None"),
        (b"17", "17"),
        (b'"Turn On"', "Turn On"),
        (b"[]", "a list"),
        (b"[" * 1000 + b"]" * 1000, "a list"),
        (b"[" * 10_000, "depth"),
        (b'{"deviceId":"d1"}', "message"),
        (b'{"deviceId":"d1","message":' + b"[" * 600 + b"]" * 600 + b"}", "nest"),
        (b"NaN", "JSON"),
    ],
)
def test_malformed(value: bytes, named: str) -> None:
    reason, sentence = refused(value)
    assert reason == "malformed"
    assert named in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(
    ("device_id", "named"),
    [
        (None, "no deviceId"),
        ("", "''"),
        (17, "17"),
        (True, "True"),
        ({"id": "d1"}, "an object"),
        ("d 1", "'d 1'"),
        ("d/1", "'d/1'"),
        ("d\n", r"'d\n'"),
        ("gerät", r"'ger\xe4t'"),
        ("\u0661", r"'\u0661'"),
        ("x" * 129, "129 characters"),
    ],
)
def test_invalid_device_id(device_id: object, named: str) -> None:
    reason, sentence = refused_of(deviceId=device_id)
    assert reason == "invalid_device_id"
    assert named in sentence
    assert len(sentence) < 300
    assert sentence.isascii() or "…" in sentence


def test_invalid_device_id_in_a_header() -> None:
    for value in (b"", b"d 1", b"\xff", None):
        assert refused(b"on", [("deviceId", value)])[0] == "invalid_device_id"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("properties", [], "a list"),
        ("properties", "kind=set", "'kind=set'"),
        ("properties", 17, "17"),
        ("properties", {"a\0b": "x"}, r"'a\x00b' has a NUL"),
        ("properties", {"kind": "a\0"}, r"'a\x00' has a NUL"),
        ("properties", {"level": {"deep": "x"}}, "'level' is an object"),
        ("properties", {"level": ["x"]}, "'level' is a list"),
        ("properties", {"iothub-ack": "full"}, "'iothub-ack'"),
        ("properties", {"IoTHub-x": "y"}, "'IoTHub-x'"),
        ("messageId", 1, "1"),
        ("messageId", "", "''"),
        ("messageId", "a\0", "NUL"),
        ("correlationId", ["x"], "a list"),
        ("correlationId", "\0", "NUL"),
        ("contentType", "a\0", "NUL"),
        ("contentType", "é", "contentType"),
        ("contentEncoding", "é", "contentEncoding"),
        ("contentEncoding", 1, "contentEncoding is 1"),
        ("ack", "fulll", "'fulll'"),
        ("ack", ["full"], "a list"),
        ("ack", True, "True"),
    ],
)
def test_invalid_property(key: str, value: object, named: str) -> None:
    reason, sentence = refused_of(**{key: value})
    assert reason == "invalid_property"
    assert named in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize("key", ["messageId", "correlationId", "contentType"])
def test_half_a_surrogate_pair_is_no_text(key: str) -> None:
    for members in (f'"{key}":"\\ud800"', '"properties":{"\\ud800":"x"}', '"properties":{"x":"\\udc00"}'):
        reason, sentence = refused(f'{{"deviceId":"d1","message":"on",{members}}}'.encode())
        assert reason == "invalid_property"
        assert "surrogate" in sentence or "ASCII" in sentence
        assert sentence.encode()


@pytest.mark.parametrize("header", ["messageId", "correlationId", "contentType", "contentEncoding", "ack", "p-kind"])
def test_a_header_that_is_no_text_is_an_invalid_property(header: str) -> None:
    assert refused(b"on", [("deviceId", b"d1"), (header, b"\xff")])[0] == "invalid_property"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2030-01-01",
        "2030-01-01T00:00:00",
        "2030-13-01T00:00:00Z",
        "2030-01-01T00:00:00+25:00",
        1893456000,
        1.5,
        True,
        {},
    ],
)
def test_invalid_expiry(value: object) -> None:
    reason, sentence = refused_of(expiryTime=value)
    assert reason == "invalid_expiry"
    assert "2026-11-22T16:39:00Z" in sentence


def test_two_expiries_are_one_too_many() -> None:
    both = {"expiry": "2030-01-01T00:00:00Z", "expiryTime": "2030-01-01T00:00:00Z"}
    assert refused_of(**both)[0] == "invalid_expiry"
    assert refused(b"on", [("deviceId", "d1"), *both.items()])[0] == "invalid_expiry"
    assert refused(b"on", [("deviceId", "d1"), ("expiry", b"\xff")])[0] == "invalid_expiry"


def test_expired() -> None:
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert refused_of(expiryTime=now.isoformat())[0] == "expired"
    assert of(expiryTime=(now + timedelta(milliseconds=1)).isoformat()).expiry_ms == NOW_MS + 1
    assert "expired 3600.000 s before" in refused_of(expiryTime=(now - timedelta(hours=1)).isoformat())[1]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"properties": {"name": "value"}},
        {"messageId": "m" * 100},
        {"correlationId": "c" * 100},
        {"contentType": "text/plain"},
        {"contentEncoding": "utf-8"},
        {"properties": {"größe": "süß", "n": 10}},
        {"deviceId": "a%#b"},
        {"expiryTime": "2030-01-01T00:00:00Z"},
    ],
)
def test_the_size_counts_body_and_properties(more: Json) -> None:
    room = COMMAND_BYTES - of(message="", **more).size
    assert of(message="x" * room, **more).size == COMMAND_BYTES
    reason, sentence = refused_of(message="x" * (room + 1), **more)
    assert reason == "too_large"
    assert str(COMMAND_BYTES + 1) in sentence


def test_the_size_is_in_bytes_not_characters() -> None:
    assert refused_of(message="é" * (COMMAND_BYTES // 2))[0] == "too_large"


def test_the_size_of_each_part() -> None:
    bare = of(messageId="m", message="")
    assert bare.size == len("/devices/d1/messages/devicebound") + len("m") + len("none")
    full = of(
        messageId="m",
        message="body",
        correlationId="cid",
        contentType="ct",
        contentEncoding="ce",
        properties={"ab": "c", "ü": ""},
    )
    assert full.size == bare.size + len("body") + len("cid") + len("ct") + len("ce") + len("abc") + 2


def test_message_ids_made_up_are_the_same_again_and_of_their_own() -> None:
    assert of().message_id == "iotout-3-42"
    assert message_id_for(ORIGIN) == message_id_for(Origin("iotout", 3, 42))
    long = [Origin("t" * 248 + end, 2**31 - 1, 2**63 - 1) for end in "ab"]
    assert len({message_id_for(origin) for origin in long}) == 2
    for origin in (*long, Origin("t" * 120, 0, 0)):
        made = message_id_for(origin)
        assert of(messageId=made).message_id == made, "it keeps to the rules for those that are written"


@given(st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=249), st.integers(0, 2**31), st.integers(0, 2**63))
def test_a_made_up_message_id_is_legal(topic: str, partition: int, offset: int) -> None:
    made = message_id_for(Origin(topic, partition, offset))
    assert of(messageId=made).message_id == made


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
def test_any_message_comes_through_unchanged(message: object) -> None:
    # The stdlib writes lone surrogates as escapes, which are no UTF-8 text, so only orjson's own texts are asked for.
    try:
        value = orjson.dumps({"deviceId": "d1", "message": message})
    except orjson.JSONEncodeError:
        return
    body = parsed(value).body
    assert body == (message.encode() if isinstance(message, str) else orjson.dumps(message))


@given(
    st.text(st.sampled_from(ID_CHARACTERS), min_size=1, max_size=128),
    on_the_wire.filter(bool),
    st.dictionaries(on_the_wire, on_the_wire, max_size=3),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_both_shapes_say_the_same(device_id: str, message_id: str, properties: dict[str, str], message: str) -> None:
    as_json = parsed(
        orjson.dumps({"deviceId": device_id, "messageId": message_id, "properties": properties, "message": message})
    )
    headers: list[tuple[str, str | bytes | None]] = [("deviceId", device_id.encode()), ("messageId", message_id)]
    headers += [(f"p-{name}", value.encode()) for name, value in properties.items()]
    assert as_json == parsed(message.encode(), headers)
    assert (as_json.device_id, as_json.message_id, as_json.properties) == (device_id, message_id, properties)
    assert as_json.body == message.encode()


near_misses = st.builds(
    json.dumps, st.dictionaries(st.sampled_from(KEYS), json_values | st.just("d1") | st.just({"a": "b"}))
).map(str.encode)
some_headers = st.lists(
    st.tuples(
        st.sampled_from((*KEYS, "p-x", "p-", "other", "device-id")),
        st.none() | st.text() | st.binary() | st.just(b"d1"),
    )
)


@given(st.none() | st.binary() | near_misses, st.none() | some_headers)
@example(b'{"deviceId":"d1","message":"on","expiry":"0001-01-01T00:00:00+23:59"}', None)
def test_any_record_is_a_command_or_a_tombstone_or_undeliverable(value: bytes | None, headers: Headers | None) -> None:
    try:
        command = parse(value, headers, ORIGIN, now_ms=NOW_MS)
    except Undeliverable as undeliverable:
        reason, sentence = undeliverable.reason, str(undeliverable)
    else:
        if command is None:
            assert value is None
        else:
            assert command.size <= COMMAND_BYTES
            assert command.expiry_ms is None or command.expiry_ms > NOW_MS
        return
    assert reason in REASONS
    assert sentence.encode(), "it can be written into a header"
    assert len(sentence) < 400
