"""Consumers of the old connector's records read ours: Connect's own converters in Java, and Confluent's client for Avro."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.config import SchemaRegistry as RegistryConfig
from ingest.emulator import Emulator
from ingest.errors import Refused
from ingest.kafka.schema_registry import Registry
from ingest.sink.commands.formats import avro_reader
from ingest.source.formats.connect_avro import SCHEMA
from ingest.source.hot_path import decoder_of, encoder_of
from tests.interop.connects_converters import converted
from tests.interop.formats import READ_BY, compared, moved, read
from tests.interop.mixed_events import events, send
from tests.services.kafka import KafkaCluster
from tests.services.registry import SchemaRegistry

pytestmark = pytest.mark.services
EVENTS = 1_000
"""Of each format. By hand, all formats through the whole source: python -m tests.interop.formats --events 10000"""
SENT = list(events(EVENTS))


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as running:
        yield running


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2) as running:
        for each in SENT:
            send(running, each)
        yield running


@pytest.mark.parametrize("form", [form for form in READ_BY if form != "connect-avro"])
def test_connects_converters_read_every_record(form: str, hub: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    decoder, encoder = decoder_of(form), encoder_of(form, "0")
    payloads = [payload for partition in hub.hub.partitions for payload in hub.hub.read(partition, 0, EVENTS)[1]]
    found = converted(form, encoder.encode_all([decoder.decode(each, 0, len(each)) for each in payloads]).values)
    different, not_once = compared(form, found, SENT)
    with capsys.disabled():
        print(f"\n{len(found)} events as {form}, {different} differences")
    assert (len(found), different, not_once) == (EVENTS, 0, 0)


def test_confluents_deserializer_reads_every_record(
    hub: Emulator, kafka: KafkaCluster, registry: SchemaRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = moved("connect-avro", hub, kafka, registry.url, EVENTS, tmp_path / "source")
    found = read("connect-avro", topic, registry.url)
    different, not_once = compared("connect-avro", found, SENT)
    topic.close()
    with capsys.disabled():
        print(f"\n{len(found)} events in Avro, {different} differences")
    assert [record.key() for record in topic.letters if record.key() is not None] == []
    assert (len(found), different, not_once) == (EVENTS, 0, 0)


def test_a_real_registry_answers_as_the_toy_does(registry: SchemaRegistry) -> None:
    config = RegistryConfig(registry.url)
    with Registry(config) as asking, Registry(RegistryConfig(registry.url, auto_register=False)) as looking:
        with pytest.raises(Refused, match="register it"):
            looking.id_of("t-value", SCHEMA)
        given = asking.id_of("t-value", SCHEMA)
        assert (
            asking.id_of("t-value", SCHEMA)
            == looking.id_of("t-value", json.dumps(json.loads(SCHEMA), indent=1))
            == given
        )
        assert json.loads(asking.schema_of(given)) == json.loads(SCHEMA)
        with pytest.raises(Refused, match="does not know it"):
            asking.schema_of(given + 1_000)
    with (
        Registry(RegistryConfig(registry.url.removesuffix("/apis/ccompat/v7"))) as lost,
        pytest.raises(Refused, match="can need a path"),
    ):
        lost.id_of("t-value", SCHEMA)


def test_a_real_registry_has_schemas_that_refer_to_others(registry: SchemaRegistry) -> None:
    device = {"type": "record", "name": "of.Device", "fields": [{"name": "id", "type": "string"}]}
    command = {"type": "record", "name": "Command", "fields": [{"name": "to", "type": "of.Device"}]}
    registered(registry, "device", {"schema": json.dumps(device)})
    reference = {"name": "of.Device", "subject": "device", "version": 1}
    given = registered(registry, "command-value", {"schema": json.dumps(command), "references": [reference]})
    with Registry(RegistryConfig(registry.url)) as asking:
        assert avro_reader.read(b"\x02d", avro_reader.prepared(asking.schema_of(given))) == {"to": {"id": "d"}}


def registered(registry: SchemaRegistry, subject: str, schema: dict[str, object]) -> int:
    url, kind = f"{registry.url}/subjects/{subject}/versions", "application/vnd.schemaregistry.v1+json"
    request = urllib.request.Request(url, json.dumps(schema).encode(), {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(json.load(answer)["id"])
