"""The record formats, by their names in `source.format`."""

from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import RawFormat

FORMATS: dict[str, type[JsonFormat] | type[RawFormat]] = {"json": JsonFormat, "raw": RawFormat}
