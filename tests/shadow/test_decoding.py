"""Records of every form → the shape in which they are compared."""

import contextlib
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingest.shadow.decoding import BadRecord, decode
from ingest.shadow.differences import differences
from ingest.shadow.shape import Shape, entries_of_text, text_view
from ingest.sink.commands.formats.avro_reader import prepared
from ingest.source.formats import FORMATS, make
from ingest.source.formats.connect_avro import SCHEMA
from tests.source.formats import vectors

MESSAGES = [each for each in vectors.entries("source-amqp") if "error" not in each]
FRAME = b"\0\0\0\0\7"
OWN = prepared(SCHEMA)


def shape(value: bytes | None, headers: Any = None) -> Shape:
    return decode(value, headers or [], lambda _: OWN)


def theirs(vector: dict[str, Any]) -> dict[str, Shape]:
    """What the old connector wrote, by the form."""
    values = {form: vectors.decoded(vector[form]) for form in ("string", "json", "json_schemas")}
    values["avro"] = FRAME + vectors.decoded(vector["avro"])
    return {form: shape(value) for form, value in values.items()}


def ours(vector: dict[str, Any]) -> dict[str, Shape]:
    """What ours writes for the same message, by the format."""
    shapes = {}
    for name in FORMATS:
        record = make(name, "3", 7).encode(vectors.event(vectors.decoded(vector["amqp"])))
        shapes[name] = shape(record.value, record.headers)
    return shapes


@pytest.mark.parametrize("vector", [pytest.param(each, id=each["name"]) for each in MESSAGES])
def test_every_form_of_the_old_connector_says_what_each_of_ours_says(vector: dict[str, Any]) -> None:
    for (form, old), (name, new) in product(theirs(vector).items(), ours(vector).items()):
        assert differences(old.excerpt(), new.excerpt()) == [], f"{form} beside {name}"
        if vector["name"] == "system_types" and not name.startswith("connect-"):
            continue  # JSON has other digits of a float, which `differences` knows
        if not (old.is_text or new.is_text):
            assert old.exact_digest() == new.exact_digest(), f"{form} beside {name}"
        assert old.text_digest() == new.text_digest(), f"{form} beside {name}"
        assert old.sequence == new.sequence
        assert old.enqueued_ms == new.enqueued_ms


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"", "begins with b''"),
        (b"text", "begins with b'text'"),
        (b"Struct{deviceId=d}", "has not the fields"),
        (b"\0", "no Avro frame"),
        (FRAME + b"\x80", "its Avro cannot be read"),
        (b'{"deviceId":"d"}', "contentType"),
        (b'{"partition":"0"}', "systemProperties"),
        (b'{"schema":{},"payload":null}', "NoneType"),
        (b"{" * 100_000, "it is not as"),
        (b'{"partition":"0","systemProperties":[],"content":"","enqueuedTime":""}', "it is not as"),
    ],
)
def test_what_has_none_of_the_forms_says_why(value: bytes | None, why: str) -> None:
    with pytest.raises(BadRecord, match=why.replace("(", r"\(")):
        shape(value)


@given(value=some.binary(max_size=60) | some.builds(lambda rest: b"Struct{deviceId=" + rest, some.binary(max_size=40)))
def test_nothing_but_bad_record_comes_of_any_bytes(value: bytes) -> None:
    for headers in ([], [("sequenceNumber", b"x")]):
        with contextlib.suppress(BadRecord):
            shape(value, headers)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
)
NAMES = (
    "deviceId",
    "offset",
    "contentType",
    "enqueuedTime",
    "sequenceNumber",
    "content",
    "systemProperties",
    "properties",
)


@given(record=some.fixed_dictionaries({}, optional=dict.fromkeys((*NAMES, "partition", "contentEncoding"), JSON)))
def test_nor_of_any_object(record: dict[str, Any]) -> None:
    with contextlib.suppress(BadRecord):
        shape(json.dumps(record).encode())


ENTRIES = some.dictionaries(some.text("ab=, ", max_size=4), some.text("ab=, ", max_size=6), max_size=4)


@given(ENTRIES)
def test_a_map_reads_as_its_text_would(entries: dict[str, str]) -> None:
    text = ", ".join(f"{name}={value}" for name, value in entries.items())
    if entries:
        assert text_view(entries) == entries_of_text(text)


@given(some.dictionaries(some.text("ab%", min_size=1), some.text("ab{}%=")))
def test_a_map_without_a_comma_reads_back(entries: dict[str, str]) -> None:
    assert entries_of_text(", ".join(f"{name}={value}" for name, value in entries.items())) == entries


def test_a_content_that_looks_like_a_struct_is_a_content() -> None:
    inner = "x,systemProperties={a=b},properties={}}"
    found = shape(
        f"Struct{{deviceId=d,offset=1,contentType=,enqueuedTime=2020-10-21T14:00:10Z,sequenceNumber=2,content={inner},"
        "systemProperties={c=d, e=f=g, h},properties={}}".encode()
    )
    assert (found.content, found.system, found.properties) == (inner, {"c": "d", "e": "f=g, h"}, {})
    assert found.enqueued_ms == 1603288810000
