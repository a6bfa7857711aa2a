"""The formats of commands, by their names in `sink.format`."""

from ingest.sink.commands.formats.auto import Auto
from ingest.sink.commands.formats.connect_avro import ConnectAvro
from ingest.sink.commands.formats.connect_json import ConnectJson
from ingest.sink.commands.formats.contract import Format
from ingest.sink.commands.formats.json_object import JsonObject
from ingest.sink.commands.formats.schemas import Schemas


def format_named(name: str, *, lenient_expiry: bool, schemas: Schemas | None = None) -> Format:
    """Returns the format for `sink.format` and `sink.lenient_expiry`. `schemas`: None if no registry is configured."""
    text = JsonObject(lenient_expiry=lenient_expiry)
    connect_json = ConnectJson(text, lenient_expiry=lenient_expiry)
    avro = ConnectAvro(text, schemas, lenient_expiry=lenient_expiry)
    formats: dict[str, Format] = {
        "auto": Auto(text, connect_json, avro),
        "json": text,
        "connect-json-schema": connect_json,
        "connect-avro": avro,
    }
    return formats[name]
