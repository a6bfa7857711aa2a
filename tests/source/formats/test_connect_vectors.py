"""The formats `connect-*` against what the old connector and Connect's converters have written, byte by byte.

The order of a map's entries is the message's here, and was that of two hash maps there; nothing else may differ.
"""

from collections import Counter
from typing import Any

import orjson
import pytest

from ingest.source.events.event import Event
from ingest.source.formats import FORMATS, make
from ingest.source.formats.connect import ConnectFormat
from ingest.source.formats.connect_avro import SCHEMA, ConnectAvroFormat
from ingest.source.formats.connect_json import ConnectJsonFormat
from ingest.source.formats.connect_json_schema import ConnectJsonSchemaFormat
from ingest.source.formats.connect_string import ConnectStringFormat
from ingest.source.formats.java_text import utf8_text
from tests.source.formats import vectors

RENDERED: dict[str, type[ConnectFormat]] = {
    "string": ConnectStringFormat,
    "json": ConnectJsonFormat,
    "json_schemas": ConnectJsonSchemaFormat,
}
STRUCTS = vectors.entries("source-structs")
MESSAGES = vectors.entries("source-amqp")


def named(held: list[dict[str, Any]], *, died: bool = False) -> list[Any]:
    return [pytest.param(each, id=each["name"]) for each in held if ("error" in each) == died]


def in_our_order(event: Event, theirs: dict[str, Any]) -> dict[str, Any]:
    """The struct of a vector, its maps in the order of our record. Fails where one has other entries."""
    ours = orjson.loads(ConnectJsonFormat("0").encode(event).value)
    ordered = dict(theirs)
    for name in ("systemProperties", "properties"):
        assert ours[name] == dict(theirs[name])
        ordered[name] = list(ours[name].items())
    return ordered


@pytest.mark.parametrize("vector", named(STRUCTS))
def test_a_struct_is_written_as_connect_writes_it(vector: dict[str, Any]) -> None:
    for rendering, form in RENDERED.items():
        assert vectors.written(form("0"), vector["event"]) == vectors.decoded(vector[rendering]), rendering


@pytest.mark.parametrize("vector", named(MESSAGES))
def test_a_message_becomes_what_the_old_connector_made_of_it(vector: dict[str, Any]) -> None:
    event = vectors.event(vectors.decoded(vector["amqp"]))
    theirs = in_our_order(event, vector["event"])
    for rendering, form in RENDERED.items():
        assert vectors.written(form("0"), vector["event"]) == vectors.decoded(vector[rendering]), rendering
        for _ in range(2):
            assert form("0").encode(event).value == vectors.written(form("0"), theirs), rendering
    avro = make("connect-avro", "0", 0x0A0B0C0D).encode(event).value
    assert avro[:5] == b"\x00\x0a\x0b\x0c\x0d"
    assert avro[5:] == vectors.written(ConnectAvroFormat("0"), theirs)[5:]
    body = vectors.decoded(vector["avro"])
    assert vectors.Avro(avro[5:]).struct() == vectors.Avro(body).struct()
    # Every byte but for the order of the entries: in theirs, all are as they are.
    in_their_order = {**vector["event"]}
    for name in ("systemProperties", "properties"):
        in_their_order[name] = list(vectors.Avro(body).struct()[name].items())
    assert vectors.written(ConnectAvroFormat("0"), in_their_order)[5:] == body


CARRIED: dict[str, dict[str, Any]] = {
    "body_none": {"content": ""},
    "body_value_binary": {"content": "hi"},
    "body_sequence": {"content": '[["a",1]]', "systemProperties": {"bodyType": "amqp-sequence"}},
    "sequence_int": {"sequenceNumber": 5},
    "device_null": {"deviceId": "", "systemProperties": {}},
    "device_symbol": {"deviceId": "d"},
    "enqueued_string": {"enqueuedTime": ""},
    "application_int": {"properties": {"ok": "fine", "v": "5"}},
    "application_double": {"properties": {"ok": "fine", "v": "1.5"}},
    "application_binary": {"properties": {"ok": "fine", "v": "\\x00\\xff"}},
    "application_symbol": {"properties": {"ok": "fine", "v": "sym"}},
    "application_ulong": {"properties": {"ok": "fine", "v": "5"}},
    "application_content_type_int": {"contentType": "5", "properties": {}},
    "application_content_type_symbol": {"contentType": "text/plain"},
}
NO_EVENT = ("no_annotations_section",)
"""Without a position, a message is none of a hub."""


@pytest.mark.parametrize("vector", [vector for vector in named(MESSAGES, died=True) if vector.id not in NO_EVENT])
def test_an_event_that_ended_the_old_task_is_carried(vector: dict[str, Any]) -> None:
    event = vectors.event(vectors.decoded(vector["amqp"]))
    found = orjson.loads(ConnectJsonFormat("0").encode(event).value)
    wanted = CARRIED[vector["name"]]
    assert {name: found[name] for name in wanted} == wanted


def test_the_schema_is_registered_as_the_converter_registers_it() -> None:
    assert {entry["of"]: entry["schema"] for entry in vectors.entries("avro-schemas")}["source"] == SCHEMA


def test_a_key_is_what_the_converter_of_the_same_name_makes_of_the_device() -> None:
    for version in vectors.entries("keys"):
        for name, by_converter in version.items():
            if not name.startswith("device_id "):
                continue
            device = name.removeprefix("device_id ").encode()
            for rendering, form in RENDERED.items():
                assert form("0").key(device) == vectors.decoded(by_converter[rendering])


def test_text_in_no_encoding_is_what_java_makes_of_it() -> None:
    for vector in vectors.entries("utf8"):
        assert utf8_text(vectors.decoded(vector["bytes"])).encode() == vectors.decoded(vector["text"])


def test_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the counts, and holds that no vector is left out."""
    counts = Counter({"structs": len(named(STRUCTS)), "messages": len(named(MESSAGES)), "carried": len(CARRIED)})
    counts |= Counter({"keys": len(vectors.entries("keys")), "utf8": len(vectors.entries("utf8"))})
    with capsys.disabled():
        print(f"\nvectors: {dict(counts)}")
    assert {vector.id for vector in named(MESSAGES, died=True)} == {*CARRIED, *NO_EVENT}
    assert {name for name in FORMATS if name.startswith("connect-")} == {
        "connect-string",
        "connect-json",
        "connect-json-schema",
        "connect-avro",
    }
