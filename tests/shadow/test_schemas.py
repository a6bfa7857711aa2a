"""The schemas by which Avro records are read."""

import pytest

from ingest.config import load
from ingest.shadow.decoding import BadRecord
from ingest.shadow.schemas import schemas
from ingest.sink.commands.formats.avro_reader import kind_of
from tests.kafka.toy_registry import ToyRegistry


def test_without_a_registry_it_is_the_old_connectors_own() -> None:
    schema_of = schemas(load(None, environ={}, for_command="topics").kafka.schema_registry)
    assert schema_of(1) is schema_of(2)
    assert kind_of(schema_of(1)) == "record"


def test_a_registry_is_asked_once_for_each_id() -> None:
    with ToyRegistry() as registry:
        registry.versions["t-value"] = [(7, '"string"')]
        chosen = load(None, environ={}, overrides=[f"kafka.schema_registry.url={registry.url}"], for_command="topics")
        schema_of = schemas(chosen.kafka.schema_registry)
        for _ in range(3):
            assert schema_of(7) == "string"
            with pytest.raises(BadRecord, match="it is a frame of schema 8, which cannot be used"):
                schema_of(8)
        assert len(registry.asked) == 2
