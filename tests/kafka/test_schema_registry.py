"""Asking a schema registry: what it knows, what it is given, and what its refusals are called."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.config import SchemaRegistry, Secret
from ingest.emulator.certificate import make_certificate
from ingest.errors import IngestError, Refused, Unreachable
from ingest.kafka.schema_registry import Registry
from ingest.sink.commands.formats.avro_reader import prepared, read
from ingest.source.formats.connect_avro import SCHEMA
from tests.kafka.toy_registry import ToyRegistry
from tests.services.ports import ReservedPort

SUBJECT = "iotin-value"
VERSIONS = f"/subjects/{SUBJECT}/versions"
SPACED = json.dumps(dict(reversed(json.loads(SCHEMA).items())), indent=2).replace('"string"', '{"type": "string"}', 1)
OTHER = SCHEMA.replace('"connect.version":1', '"connect.version":2')


@pytest.fixture
def toy() -> Iterator[ToyRegistry]:
    with ToyRegistry() as running:
        yield running


def id_of(config: SchemaRegistry, subject: str = SUBJECT) -> int:
    with Registry(config) as registry:
        return registry.id_of(subject, SCHEMA)


def refusal(config: SchemaRegistry, kind: type[IngestError] = Refused) -> str:
    with pytest.raises(kind) as refused:
        id_of(config)
    assert type(refused.value) is kind
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_schema_that_is_not_there_is_registered_once(toy: ToyRegistry) -> None:
    config = SchemaRegistry(toy.url)
    assert id_of(config) == id_of(config) == 100
    assert toy.versions == {SUBJECT: [(100, SCHEMA)]}


def test_a_schema_is_found_by_what_it_says_and_not_by_its_text(toy: ToyRegistry) -> None:
    toy.versions[SUBJECT] = [(7, OTHER), (5, SPACED), (8, OTHER), (9, "no schema")]
    assert id_of(SchemaRegistry(toy.url + "/", auto_register=False)) == 5
    assert {method for method, _ in toy.asked} == {"GET"}


def test_what_may_not_be_registered_must_be_there(toy: ToyRegistry) -> None:
    toy.versions[SUBJECT] = [(7, OTHER)]
    assert "auto_register = true" in refusal(SchemaRegistry(toy.url, auto_register=False))
    assert {method for method, _ in toy.asked} == {"GET"}


def test_a_subject_can_have_any_name(toy: ToyRegistry) -> None:
    assert id_of(SchemaRegistry(toy.url), "a/b c-value") == 100
    assert list(toy.versions) == ["a/b c-value"]


def test_a_schema_is_told_by_its_id(toy: ToyRegistry) -> None:
    toy.versions[SUBJECT] = [(7, OTHER)]
    with Registry(SchemaRegistry(toy.url)) as registry:
        assert registry.schema_of(7) == OTHER
        with pytest.raises(Refused, match="does not know it"):
            registry.schema_of(8)


def test_a_schema_comes_with_the_types_that_it_refers_to(toy: ToyRegistry) -> None:
    """Of two subjects, of which one refers to the other, too."""
    colour = {"type": "enum", "name": "Colour", "namespace": "of.things", "symbols": ["RED", "BLUE"]}
    device = {
        "type": "record",
        "name": "of.things.Device",
        "fields": [{"name": "id", "type": "string"}, {"name": "colour", "type": "Colour"}],
    }
    command = {
        "type": "record",
        "name": "Command",
        "namespace": "of.commands",
        "fields": [
            {"name": "devices", "type": {"type": "array", "items": "of.things.Device"}},
            {"name": "colour", "type": ["null", "of.things.Colour"]},
        ],
    }
    by_path = {
        "/schemas/ids/7": (command, [("of.things.Device", "device", 1), ("of.things.Colour", "a/colour", 3)]),
        "/subjects/device/versions/1": (device, [("of.things.Colour", "a/colour", 3)]),
        "/subjects/a%2Fcolour/versions/3": (colour, []),
    }
    for path, (schema, references) in by_path.items():
        told = [{"name": name, "subject": subject, "version": version} for name, subject, version in references]
        toy.answers[path] = (200, json.dumps({"schema": json.dumps(schema), "references": told}).encode())
    with Registry(SchemaRegistry(toy.url)) as registry:
        found = prepared(registry.schema_of(7))
        body = b"\x02\x04d1\x02\x00\x02\x00"
        assert read(body, found) == {"devices": [{"id": "d1", "colour": "BLUE"}], "colour": "RED"}
        del toy.answers["/subjects/a%2Fcolour/versions/3"]
        with pytest.raises(Refused, match="does not know it"):
            registry.schema_of(7)


def test_a_wrong_password_is_said_and_not_shown() -> None:
    with ToyRegistry("ingest:right") as toy:
        config = SchemaRegistry(toy.url, "ingest", Secret("right"))
        assert id_of(config) == 100
        said = refusal(replace(config, password=Secret("wrong")))
        assert "user ingest" in said
        assert "[kafka.schema_registry]" in said
        assert "wrong" not in said
        assert "does not let strangers in" in refusal(SchemaRegistry(toy.url))


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, b'{"error_code":40301,"message":"denied"}', Refused, "does not allow this"),
        (409, b'{"error_code":409,"message":"incompatible\\n with an earlier one"}', Refused, "not compatible"),
        (422, b'{"error_code":42201,"message":"Invalid schema"}', Refused, "Invalid schema"),
        (404, b"<html>", Refused, "is no schema registry"),
        (302, b"", Refused, "is no schema registry"),
        (200, b"<html>", Refused, "is no schema registry"),
        (200, b'{"versions":1}', Refused, "is no schema registry"),
        (500, b"", Unreachable, "busy or broken"),
        (503, b'{"error_code":50301,"message":"leader unknown"}', Unreachable, "leader unknown"),
        (429, b"", Unreachable, "busy"),
    ],
)
def test_a_refusal_is_a_sentence(
    toy: ToyRegistry, status: int, body: bytes, kind: type[IngestError], words: str
) -> None:
    toy.answers[VERSIONS] = (status, body)
    said = refusal(SchemaRegistry(toy.url), kind)
    assert words in said
    assert toy.url in said


def test_an_id_that_no_frame_can_hold_is_refused(toy: ToyRegistry) -> None:
    toy.versions[SUBJECT] = [(1 << 31, SCHEMA)]
    assert "is no schema registry" in refusal(SchemaRegistry(toy.url))


def test_no_answer_can_be_waited_for() -> None:
    port = ReservedPort()
    said = refusal(SchemaRegistry(f"http://{port.address}"), Unreachable)
    assert port.address in said
    port.close()


def test_no_address_is_said() -> None:
    assert "kafka.schema_registry.url is empty" in refusal(SchemaRegistry())


def test_an_authority_of_ones_own_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with ToyRegistry(tls=certificate.server_context()) as toy:
        assert id_of(SchemaRegistry(toy.url, ca_file=certificate.ca_file)) == 100
        said = refusal(SchemaRegistry(toy.url))
    assert "kafka.schema_registry.ca_file" in said
    assert "certificate" in said


def test_tls_without_a_certificate_is_said(toy: ToyRegistry, tmp_path: Path) -> None:
    assert "ca_file" in refusal(SchemaRegistry(toy.url.replace("http:", "https:")))
    (tmp_path / "ca.pem").write_text("no certificate")
    assert "ca.pem" in refusal(SchemaRegistry(toy.url, ca_file=tmp_path / "ca.pem"))
