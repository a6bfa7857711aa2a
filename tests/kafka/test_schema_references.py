"""A schema with the types of other subjects in it, which fastavro then reads as one."""

import json
from typing import Any

import pytest

from ingest.kafka.schema_references import inlined
from ingest.sink.commands.formats.avro_reader import BadSchema, prepared, read

THING: dict[str, Any] = {"type": "fixed", "name": "Thing", "namespace": "of", "size": 1}


def record(*types: Any, **more: str) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": each} for number, each in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields, **more}


@pytest.mark.parametrize(
    ("schema", "body", "value"),
    [
        (record("of.Thing"), b"x", {"f0": b"x"}),
        (record("Thing", namespace="of"), b"x", {"f0": b"x"}),
        (record("of.Thing", "of.Thing"), b"xy", {"f0": b"x", "f1": b"y"}),
        (record({"type": "of.Thing"}, ["null", "of.Thing"]), b"x\x02y", {"f0": b"x", "f1": b"y"}),
        (record({"type": "map", "values": "of.Thing"}), b"\x02\x02kx\x00", {"f0": {"k": b"x"}}),
        ({"type": "array", "items": "of.Thing"}, b"\x04xy\x00", [b"x", b"y"]),
        (["null", "of.Thing"], b"\x02x", b"x"),
        (record(record("of.Thing", name="Inner"), "of.Thing"), b"xy", {"f0": {"f0": b"x"}, "f1": b"y"}),
        ("of.Thing", b"x", b"x"),
    ],
)
def test_a_foreign_type_is_defined_where_it_comes_first(schema: Any, body: bytes, value: Any) -> None:
    whole = inlined(json.dumps(schema), {"of.Thing": json.dumps(THING), "never.Used": '"string"'})
    assert read(body, prepared(whole)) == value


def test_what_defines_a_name_itself_keeps_its_own() -> None:
    own = {**THING, "size": 2}
    whole = inlined(json.dumps(record(own, "of.Thing")), {"of.Thing": json.dumps(THING)})
    assert read(b"xxyy", prepared(whole)) == {"f0": b"xx", "f1": b"yy"}


@pytest.mark.parametrize("schema", ["[", '{"type":', "7"])
def test_what_is_no_schema_is_for_the_reader_to_refuse(schema: str) -> None:
    with pytest.raises(BadSchema):
        prepared(inlined(schema, {"of.Thing": json.dumps(THING)}))


def test_types_that_refer_to_each_other_are_refused() -> None:
    definitions = {"A": json.dumps(record("B", name="A")), "B": json.dumps(record("A", name="B"))}
    with pytest.raises(BadSchema, match="within itself"):
        prepared(inlined(json.dumps(record("A")), definitions))
