"""The record formats, by their names in `source.format`."""

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
}
