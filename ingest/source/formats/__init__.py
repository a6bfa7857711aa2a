"""The record formats, by their names in `source.format`."""

from ingest.source.formats.contract import Format
from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import RawFormat

FORMATS: dict[str, type[Format]] = {"json": JsonFormat, "raw": RawFormat}
