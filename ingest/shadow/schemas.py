"""The Avro schemas of the records that are compared: the registry's by their ids; without one the old connector's own."""

from ingest.config import SchemaRegistry
from ingest.shadow.decoding import BadRecord, SchemaOf
from ingest.sink.commands.formats.avro_reader import BadSchema, prepared
from ingest.source.formats.connect_avro import SCHEMA


def schemas(config: SchemaRegistry) -> SchemaOf:
    """Asks for each id once. What it gives raises BadRecord for a schema that is unknown or cannot be used, and Refused and
    Unreachable when the registry does not answer as one."""
    if not config.url:
        own = prepared(SCHEMA)
        return lambda _: own
    from ingest.kafka.schema_registry import Registry, Unknown

    registry = Registry(config)
    known: dict[int, object] = {}

    def schema_of(number: int) -> object:
        if number not in known:
            try:
                known[number] = prepared(registry.schema_of(number))
            except (Unknown, BadSchema) as why:
                known[number] = BadRecord(f"it is a frame of schema {number}, which cannot be used: {why}")
        found = known[number]
        if isinstance(found, BadRecord):
            raise found
        return found

    return schema_of
