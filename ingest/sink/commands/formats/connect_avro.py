"""Format `connect-avro`: a Schema Registry's frame of a zero byte, the schema's number in four bytes, and the body in Avro."""

from base64 import b64encode
from typing import Final

from ingest.errors import Undeliverable
from ingest.sink.commands.foreign import foreign_bytes
from ingest.sink.commands.formats import avro_reader
from ingest.sink.commands.formats.avro_reader import BadBody
from ingest.sink.commands.formats.connect_struct import COMMAND, fields_of, member
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.formats.json_object import JsonObject
from ingest.sink.commands.formats.schemas import Schemas
from ingest.sink.commands.quoting import clip

HEAD_BYTES: Final = 5
MARK: Final = 0
MOST_NUMBER: Final = (1 << 31) - 1
"""It is a signed integer to Confluent's clients and registries."""


class ConnectAvro:
    """`text` reads a value that is a string. `schemas`: None if no registry is configured."""

    reads_headers = False
    reads_plain = False

    def __init__(self, text: JsonObject, schemas: Schemas | None, *, lenient_expiry: bool = False) -> None:
        self._text = text
        self._schemas = schemas
        self._lenient = lenient_expiry

    def read(self, value: bytes) -> Fields:
        if not is_frame(value):
            what = foreign_bytes(value) or "no frame of a Schema Registry, which begins with a zero byte"
            raise Undeliverable("malformed", f"The record is {what}.")
        if self._schemas is None:
            raise Undeliverable(
                "malformed",
                f"The record is {foreign_bytes(value)}. To read it, name the registry in kafka.schema_registry.",
            )
        number = int.from_bytes(value[1:HEAD_BYTES], "big")
        if number > MOST_NUMBER:
            # Registries answer such a question in ways of their own, by which a typing error in the url cannot be told from it.
            raise Undeliverable(
                "unknown_schema", f"The record is a frame of schema {number}, and no registry counts so far."
            )
        schema = self._schemas.get(number)
        try:
            found = avro_reader.read(value[HEAD_BYTES:], schema)
        except BadBody as error:
            raise Undeliverable(
                "malformed", f"The record's Avro does not fit its schema, number {number} ({clip(str(error))})."
            ) from None
        if isinstance(found, str) and avro_reader.kind_of(schema) != "enum":
            return self._text.read(found.encode("utf-8", "surrogatepass"))
        if not isinstance(found, dict):
            kind = avro_reader.kind_of(schema)
            raise Undeliverable("malformed", f"The record's schema, number {number}, is of type {kind}: {COMMAND}.")
        struct = {name: member(name, _plain(entry)) for name, entry in found.items()}
        return fields_of(struct, frozenset(), lenient_expiry=self._lenient)


def is_frame(value: bytes) -> bool:
    return len(value) >= HEAD_BYTES and value[0] == MARK


def _plain(value: object) -> object:
    """Bytes within a value become Base64, as in Kafka Connect's JSON; a value that is bytes stays bytes."""
    if isinstance(value, dict):
        return {name: _inner(entry) for name, entry in value.items()}
    return [_inner(entry) for entry in value] if isinstance(value, list) else value


def _inner(value: object) -> object:
    return b64encode(value).decode() if isinstance(value, bytes) else _plain(value)
