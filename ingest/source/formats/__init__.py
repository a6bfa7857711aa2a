"""The record formats, by their names in `source.format`."""

from ingest.source.formats.connect_avro import SCHEMA, ConnectAvroFormat
from ingest.source.formats.connect_json import ConnectJsonFormat
from ingest.source.formats.connect_json_schema import ConnectJsonSchemaFormat
from ingest.source.formats.connect_string import ConnectStringFormat
from ingest.source.formats.contract import Format
from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import RawFormat

FORMATS: dict[str, type[Format]] = {
    "json": JsonFormat,
    "raw": RawFormat,
    "connect-string": ConnectStringFormat,
    "connect-json": ConnectJsonFormat,
    "connect-json-schema": ConnectJsonSchemaFormat,
    "connect-avro": ConnectAvroFormat,
}
SCHEMAS: dict[str, str] = {"connect-avro": SCHEMA}
"""The Avro schema of a format's records, by the format's name; a record has the id that a schema registry gives it."""


def make(name: str, partition: str, schema_id: int | None = None) -> Format:
    """Returns the format of this name for one partition. `schema_id`: the registry's id, for a format in `SCHEMAS`."""
    form = FORMATS[name]
    if schema_id is not None and issubclass(form, ConnectAvroFormat):
        return form(partition, schema_id)
    return form(partition)
