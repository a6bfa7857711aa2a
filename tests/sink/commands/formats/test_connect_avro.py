"""Format `connect-avro`, beyond what the old connector's records show."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.sink.commands.command import Command, Origin, parse
from ingest.sink.commands.formats import format_named
from ingest.sink.commands.formats.avro_reader import BadBody, BadSchema, prepared, read
from tests.sink.commands.formats.avro_schemas import Registered, frame

COMMAND = {"deviceId": "d1", "message": "on"}


def record(**fields: Any) -> dict[str, Any]:
    """A schema with the strings deviceId and message, unless `fields` has other types for them."""
    types = {"deviceId": "string", "message": "string"} | fields
    return {"type": "record", "name": "Cmd", "fields": [{"name": name, "type": kind} for name, kind in types.items()]}


def written(schema: Any, value: object) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def parsed(schema: Any, body: bytes) -> Command:
    form = format_named("connect-avro", lenient_expiry=False, schemas=Registered({7: json.dumps(schema)}))
    command = parse(frame(7, body), None, Origin("iotout", 3, 42), now_ms=0, form=form)
    assert command is not None
    return command


def sent(schema: Any, **more: object) -> Command:
    return parsed(schema, written(schema, COMMAND | more))


def refused(value: bytes, schema: Any = "string", name: str = "connect-avro") -> tuple[str, str]:
    form = format_named(name, lenient_expiry=False, schemas=Registered({7: json.dumps(schema)}))
    with pytest.raises(Undeliverable) as caught:
        parse(value, None, Origin("iotout", 3, 42), now_ms=0, form=form)
    assert len(str(caught.value)) < 400
    return caught.value.reason, str(caught.value)


def test_a_record_has_all_that_a_command_can_have() -> None:
    optional = ["null", "string"]
    schema = record(
        messageId=optional, ack=optional, expiryTime=optional, properties={"type": "map", "values": "string"}
    )
    command = sent(schema, messageId="m", ack="Full", expiryTime="2030-01-01T00:00:00Z", properties={"level": "high"})
    assert (command.message_id, command.ack, command.expiry_ms) == ("m", "full", 1_893_456_000_000)
    assert command.properties == {"level": "high"}
    command = sent(schema, messageId=None, ack=None, expiryTime=None, properties={})
    assert (command.message_id, command.ack, command.expiry_ms) == ("iotout-3-42", "none", None)


@pytest.mark.parametrize(
    ("kind", "value", "body"),
    [
        ("bytes", b"\0\xff", b"\0\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, b"\0\xff", b"\0\xff"),
        (["null", "long", "string"], 7, b"7"),
        ("double", 1.5, b"1.5"),
        ("boolean", False, b"false"),
        ({"type": "array", "items": "bytes"}, [b"\0"], b'["AA=="]'),
        ({"type": "map", "values": "int"}, {"a": 1}, b'{"a":1}'),
        ({"type": "string", "logicalType": "uuid"}, "not a UUID", b"not a UUID"),
        ({"type": "long", "logicalType": "timestamp-millis"}, 5, b"5"),
    ],
)
def test_a_message_of_any_type_is_sent(kind: Any, value: object, body: bytes) -> None:
    plain = json.loads(json.dumps(record(message=kind)), object_hook=lambda each: {**each, "logicalType": "none"})
    assert parsed(record(message=kind), written(plain, COMMAND | {"message": value})).body == body


def test_a_string_or_a_map_is_a_command_too() -> None:
    assert parsed("string", written("string", json.dumps(COMMAND))).body == b"on"
    by_name = {"type": "map", "values": "string"}
    assert parsed(by_name, written(by_name, COMMAND)).body == b"on"
    assert parsed(["null", "string"], written(["null", "string"], json.dumps(COMMAND))).device_id == "d1"


def test_what_follows_the_record_is_not_looked_at() -> None:
    assert parsed(record(), written(record(), COMMAND) + b"more").body == b"on"


def test_with_a_registry_its_frame_is_no_other_s() -> None:
    """Azure's frame of four zero bytes and 32 digits can as well be one of schema 48 whose device id is 24 digits."""
    schema, device = record(), "5f3c0b521111422283339444"
    body = written(schema, {"deviceId": device, "message": "0123456789ab0123456789ab"})
    form = format_named("auto", lenient_expiry=False, schemas=Registered({48: json.dumps(schema)}))
    command = parse(frame(48, body), None, Origin("iotout", 3, 42), now_ms=0, form=form)
    assert command is not None
    assert command.device_id == device


@pytest.mark.parametrize(
    ("value", "reason", "named"),
    [
        (b"", "malformed", "no frame of a Schema Registry"),
        (b"\0\0\0", "malformed", "no frame"),
        (json.dumps(COMMAND).encode(), "malformed", "no frame"),
        (b"Obj\x01", "malformed", "an Avro file"),
        (frame(7, b""), "malformed", "does not fit its schema, number 7"),
        (frame(7, b"\x04a"), "malformed", "does not fit"),
        (frame(7, b"\x02\xff"), "malformed", "does not fit"),
        (frame(7, b"\x01"), "malformed", "does not fit"),
        (frame(7, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01a"), "malformed", "does not fit"),
        (frame(7, b"\xff" * 100), "malformed", "does not fit"),
        (frame(7, b"\x04on"), "malformed", "not JSON"),
        (frame(8, b"\x04on"), "unknown_schema", "no schema 8"),
        (frame(1 << 31, b"\x04on"), "unknown_schema", "schema 2147483648, and no registry counts so far"),
    ],
)
def test_what_is_no_command_is_named(value: bytes, reason: str, named: str) -> None:
    found, sentence = refused(value)
    assert found == reason
    assert named in sentence


@pytest.mark.parametrize(
    "schema", ["int", "null", {"type": "array", "items": "string"}, {"type": "enum", "name": "E", "symbols": ["A"]}]
)
def test_a_value_of_another_type(schema: Any) -> None:
    value = {"int": 1, "null": None}.get(schema) if isinstance(schema, str) else ["x"] if "items" in schema else "A"
    assert "a command is a struct" in refused(frame(7, written(schema, value)), schema)[1]


def test_without_a_registry_the_frame_is_named_and_the_key() -> None:
    form = format_named("auto", lenient_expiry=False)
    with pytest.raises(Undeliverable, match=r"schema id 7: .*kafka\.schema_registry"):
        parse(frame(7, b"\x04on"), None, Origin("iotout", 3, 42), now_ms=0, form=form)


def nested(depth: int) -> Any:
    return {"type": "array", "items": nested(depth - 1)} if depth else "string"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("syntax = 'proto3';", "not JSON"),
        ('{"type": "object", "properties": {}}', "'object' is not defined"),
        ("7", "no type"),
        ('{"type": "record", "name": "R", "fields": [7]}', "without a type"),
        ('{"type": "array", "items": "null"}', "without any byte"),
        ('{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}', "without any byte"),
        (
            '{"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "n", "type": "null"}]}}',
            "any byte",
        ),
        (
            '{"type": "record", "name": "R", "namespace": "a.b", "fields": [{"name": "next", "type": ["null", "a.b.R"]}]}',
            "within itself",
        ),
        ('{"type": "record", "name": "R", "fields": [{"name": "x", "type": "Elsewhere"}]}', "not defined in it"),
        (json.dumps(nested(60)), "50 types within each other"),
        (json.dumps(["string"] * 10_001), "10000 in all"),
        ('{"type": "fixed", "name": "F", "size": -1}', "'fixed' is not defined"),
        ('{"type": "enum", "name": "E", "symbols": ["a b"]}', "SchemaParseException"),
    ],
)
def test_a_schema_that_must_not_be_read(text: str, named: str) -> None:
    with pytest.raises(BadSchema) as caught:
        prepared(text)
    assert named in str(caught.value)


def test_a_type_can_be_named_again() -> None:
    on = {"type": "enum", "name": "On", "namespace": "x", "symbols": ["YES", "NO"]}
    schema = record(message=on, again={"type": "array", "items": "x.On"})
    assert sent(schema, message="NO", again=["YES"]).body == b"NO"


SCHEMAS = [
    "string",
    record(properties={"type": "map", "values": ["null", "string", "long"]}, parts={"type": "array", "items": "bytes"}),
    record(
        message={"type": "record", "name": "M", "fields": [{"name": "a", "type": ["null", "double"]}]},
        ack=["null", "int"],
    ),
    {"type": "map", "values": {"type": "array", "items": "string"}},
]


@given(st.sampled_from(SCHEMAS), st.binary(max_size=60))
def test_any_body_is_a_command_or_a_dead_letter(schema: Any, body: bytes) -> None:
    try:
        parsed(schema, body)
    except Undeliverable as why:
        assert why.reason != "unexpected"  # noqa: PT017


@given(st.sampled_from(SCHEMAS[1:]), st.data())
def test_any_value_of_a_schema_is_read_back(schema: Any, data: st.DataObject) -> None:
    numbers = st.integers(-(2**63), 2**63 - 1)
    values = {
        "deviceId": st.text(),
        "message": st.fixed_dictionaries({"a": st.none() | st.floats(allow_nan=False)})
        if "ack" in str(schema)
        else st.text(),
        "properties": st.dictionaries(st.text(), st.none() | st.text() | numbers),
        "parts": st.lists(st.binary()),
        "ack": st.none() | st.integers(-(2**31), 2**31 - 1),
    }
    if schema["type"] == "map":
        value: Any = data.draw(st.dictionaries(st.text(), st.lists(st.text())))
    else:
        value = {field["name"]: data.draw(values[field["name"]]) for field in schema["fields"]}
    body = written(schema, value)
    assert read(body, prepared(json.dumps(schema))) == value
    with pytest.raises(BadBody):
        read(body[:-1], prepared(json.dumps(schema)))
