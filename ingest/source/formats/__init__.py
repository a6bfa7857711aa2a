"""The record formats, by their names in `source.format`."""

from ingest.source.formats.connect_avro import ConnectAvroFormat
from ingest.source.formats.connect_json import ConnectJsonFormat
from ingest.source.formats.connect_json_schema import ConnectJsonSchemaFormat
from ingest.source.formats.connect_string import ConnectStringFormat
from ingest.source.formats.contract import Format, SchemaFormat
from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import RawFormat

WITH_SCHEMA: dict[str, type[SchemaFormat]] = {
    "connect-avro": ConnectAvroFormat,
}
"""Those whose records name a schema of a schema registry."""
FORMATS: dict[str, type[Format]] = {
    "json": JsonFormat,
    "raw": RawFormat,
    "connect-string": ConnectStringFormat,
    "connect-json": ConnectJsonFormat,
    "connect-json-schema": ConnectJsonSchemaFormat,
    **WITH_SCHEMA,
}


def make(name: str, partition: str, schema_id: int | None = None) -> Format:
    """Returns the format of this name for one partition; `schema_id`: the registry's, for one of `WITH_SCHEMA`."""
    if schema_id is not None and name in WITH_SCHEMA:
        return WITH_SCHEMA[name](partition, schema_id)
    return FORMATS[name](partition)
