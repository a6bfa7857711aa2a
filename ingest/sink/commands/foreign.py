"""What a record is if it is not a command: the frames and envelopes of other systems, by name. Pure.

Sources: Confluent's wire format, AWS Glue's and Azure's schema registries, Kafka Connect's JsonConverter, CloudEvents'
Kafka binding, Debezium's change events; and the first bytes of the usual file formats.
"""

import uuid
from collections.abc import Collection
from typing import Final

_TO_JSON: Final = "write the command as plain JSON text, or put deviceId in a header to send the bytes as they are"
_COMPRESSED: Final = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x78\x01", "zlib data"),
    (b"\x78\x9c", "zlib data"),
    (b"\x78\xda", "zlib data"),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy data"),
    (b"\x82SNAPPY\x00", "Snappy data"),
)
_OTHER_FORMATS: Final = (
    (b"Obj\x01", "an Avro file"),
    (b"\xac\xed\x00\x05", "a serialized Java object"),
    (b"PAR1", "a Parquet file"),
    (b"\xd9\xd9\xf7", "CBOR"),
    (b"<", "XML"),
    (b"eyJ", "JSON in Base64"),
    (b"Struct{", "a Kafka Connect struct as text"),
)
_WIDE_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"{\x00", "UTF-16"),
    (b"\x00{\x00", "UTF-16"),
)
_CONFLUENT_BYTES: Final = 5
_GUID_BYTES: Final = 16
_AZURE_HEX: Final = 32


def foreign_bytes(value: bytes) -> str | None:
    """Returns what a value is that is not JSON text in UTF-8, with the fix, as the rest of "The record is …"."""
    for mark, name in _WIDE_MARKS:
        if value.startswith(mark):
            return f"text in {name}: write it in UTF-8"
    if registry := _registry(value):
        return f"{registry}: {_TO_JSON}"
    for mark, name in _COMPRESSED:
        if value.startswith(mark):
            return f"{name}: write the command as it is, and leave compression to the producer (compression.type)"
    for mark, name in _OTHER_FORMATS:
        if value.startswith(mark):
            return f"{name}: {_TO_JSON}"
    return None


def foreign_object(names: Collection[str]) -> str | None:
    """Returns what an object with these keys is if not a command, as the rest of "The record is …"; None: unknown."""
    found = set(names)
    if found == {"schema", "payload"}:
        return (
            "a Kafka Connect envelope (schema and payload): write the payload alone, with "
            'value.converter.schemas.enable=false, or set sink.format = "auto"'
        )
    if {"specversion", "type", "source", "id"} <= found:
        return "a CloudEvents envelope (specversion): write its data alone, with deviceId and message"
    if {"op", "ts_ms"} <= found and found & {"before", "after"}:
        return "a Debezium change event: write the command alone, with deviceId and message"
    if {"eventType", "subject", "data"} <= found:
        return "an Event Grid event: write its data alone, with deviceId and message"
    if {"content", "sequenceNumber", "enqueuedTime"} <= found:
        return "telemetry, as the source writes it: a command has deviceId and message"
    return None


def _registry(value: bytes) -> str | None:
    if len(value) < _CONFLUENT_BYTES:
        return None
    azure_id = value[4 : 4 + _AZURE_HEX]
    if value.startswith(bytes(4)) and len(azure_id) == _AZURE_HEX and _is_hex(azure_id):
        return f"an Azure Schema Registry frame (Avro), schema id {azure_id.decode()}"
    match value[0]:
        case 0:
            number = int.from_bytes(value[1:5], "big")
            kind = "JSON Schema" if value[5:6] == b"{" else "Avro, Protobuf or JSON Schema"
            return f"a Schema Registry frame ({kind}), schema id {number}"
        case 1 if len(value) > _GUID_BYTES:
            return (
                f"a Schema Registry frame (Avro, Protobuf or JSON Schema), schema GUID {uuid.UUID(bytes=value[1:17])}"
            )
        case 3 if value[1] in (0, 5) and len(value) > 1 + _GUID_BYTES:
            return f"a Glue Schema Registry frame, schema version {uuid.UUID(bytes=value[2:18])}"
    return None


def _is_hex(text: bytes) -> bool:
    return all(letter in b"0123456789abcdefABCDEF" for letter in text)
