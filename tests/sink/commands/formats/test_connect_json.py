"""Format `connect-json-schema`, beyond what the old connector's records show."""

import json
from base64 import b64encode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.sink.commands.command import Command, Origin, parse
from ingest.sink.commands.formats import format_named
from ingest.sink.commands.formats.json_object import JsonObject
from ingest.sink.commands.record_layout import Headers

CONNECT = format_named("connect-json-schema", lenient_expiry=False)
AUTO = format_named("auto", lenient_expiry=False)
COMMAND = {"deviceId": "d1", "message": "on"}


def struct(*fields: Mapping[str, object], **payload: object) -> bytes:
    """An envelope with the strings deviceId and message, unless `fields` has them."""
    named = {field["field"] for field in fields}
    plain = [{"type": "string", "field": name} for name in COMMAND if name not in named]
    schema = {"type": "struct", "fields": [*plain, *fields], "optional": False}
    return json.dumps({"schema": schema, "payload": {**COMMAND, **payload}}).encode()


def parsed(value: bytes, headers: Headers = ()) -> Command:
    command = parse(value, headers, Origin("iotout", 3, 42), now_ms=0, form=CONNECT)
    assert command is not None
    return command


def refused(value: bytes) -> str:
    with pytest.raises(Undeliverable) as caught:
        parsed(value)
    assert caught.value.reason == "malformed"
    assert len(str(caught.value)) < 400
    return str(caught.value)


def test_a_struct_has_all_that_a_command_can_have() -> None:
    properties = {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}, "field": "properties"}
    fields = [{"type": "string", "field": name} for name in ("messageId", "ack", "expiry", "correlationId")]
    command = parsed(
        struct(
            *fields,
            properties,
            messageId="m",
            ack="PositiveOnly",
            expiry=" 2030-01-01T24:00:00z ",
            correlationId=None,
            properties={"level": "high"},
        )
    )
    assert (command.message_id, command.ack, command.correlation_id) == ("m", "positive", None)
    assert (command.expiry_ms, command.properties) == (1_893_542_400_000, {"level": "high"})


def test_the_schema_says_what_is_in_a_struct() -> None:
    default = {"type": "string", "field": "messageId", "default": "always"}
    assert parsed(struct(default)).message_id == "always"
    assert parsed(struct(default, messageId=None)).message_id == "always"
    assert parsed(struct(default, messageId="m")).message_id == "m"
    undeclared = parsed(struct(messageId="m"))
    assert undeclared.message_id == "iotout-3-42"
    assert undeclared.passed_over == ("the key 'messageId'",)


@pytest.mark.parametrize(
    ("kind", "written", "body"),
    [
        ("bytes", b64encode(b"\x00\xff").decode(), b"\x00\xff"),
        ("string", "", b""),
        ("double", 10.0, b"10.0"),
        ("boolean", True, b"true"),
        ("struct", {"on": [1, None]}, b'{"on": [1, null]}'),
    ],
)
def test_a_message_of_any_type_is_sent(kind: str, written: object, body: bytes) -> None:
    assert parsed(struct({"type": kind, "field": "message"}, message=written)).body == body


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (struct({"type": "bytes", "field": "message"}, message="?"), "Base64"),
        (struct({"type": "string", "field": "message", "optional": True}, message=None), "has no message"),
        (struct({"type": "text", "field": "message"}), "'text'"),
        (struct({"type": ["string"], "field": "message"}), "a list"),
        (b'{"schema":{"type":"struct"},"payload":{}}', "without fields"),
        (b'{"schema":{"type":"struct","fields":[7]},"payload":{}}', "among its fields"),
        (b'{"schema":{"type":"struct","fields":{"a":1}},"payload":{}}', "without fields"),
        (b'{"schema":{"type":"struct","fields":[]},"payload":[]}', "a list"),
        (b'{"schema":{"type":"int32"},"payload":5}', "of type int32"),
        (b'{"schema":{"type":"string"},"payload":{"deviceId":"d1","message":"on"}}', "of type string"),
        (b'{"schema":{},"payload":{}}', "None"),
        (b'{"schema":null,"payload":7}', "7"),
        (b'{"schema":null,"payload":null}', "null"),
        (b'{"schema":null,"payload":"on"}', "not JSON"),
        (b'{"schema":{"type":"struct","fields":[]},"payload":{"a":1,"a":2}}', "more than once"),
        (b'{"schema":' + b'{"a":' * 600 + b"1" + b"}" * 600 + b',"payload":{}}', "depth"),
        (json.dumps(COMMAND).encode(), 'sink.format = "auto"'),
        (b"\0\0\0\0\x2a\x04d1\x04on", "schema id 42"),
    ],
)
def test_what_is_no_struct_is_named(value: bytes, named: str) -> None:
    assert named in refused(value)


def test_without_a_schema_the_payload_is_the_command() -> None:
    assert parsed(json.dumps({"schema": None, "payload": {**COMMAND, "message": 1.5}}).encode()).body == b"1.5"
    assert parsed(json.dumps({"schema": None, "payload": json.dumps(COMMAND)}).encode()).body == b"on"


def test_a_header_is_no_address_where_the_format_is_named() -> None:
    command = parsed(struct(), [("deviceId", b"other"), ("p-kind", b"set")])
    assert (command.device_id, command.properties) == ("d1", {})
    assert command.passed_over[0] == "the header 'deviceId', beside a command in the value,"
    with_auto = parse(struct(), [("deviceId", b"other")], Origin("t", 0, 0), now_ms=0, form=AUTO)
    assert with_auto is not None
    assert (with_auto.device_id, with_auto.body) == ("other", struct())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "fields", "field", "default", "deviceId", "message", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_any_envelope_is_a_command_or_a_dead_letter(schema: object, payload: object) -> None:
    value = json.dumps({"schema": schema, "payload": payload}).encode("utf-8", "replace")
    for form in (CONNECT, AUTO, JsonObject(lenient_expiry=True), format_named("auto", lenient_expiry=True)):
        try:
            parse(value, None, Origin("iotout", 3, 42), now_ms=0, form=form)
        except Undeliverable:
            continue
