"""Format `connect-json-schema`: Kafka Connect's JsonConverter with schemas, `{"schema":…,"payload":…}`. Pure.

As in Kafka Connect, a struct has only the fields of its schema, and one that is null or absent has its schema's
default.
"""

import binascii
import json
from base64 import b64decode
from typing import Final

from ingest.errors import Undeliverable
from ingest.sink.commands.formats.connect_struct import COMMAND, fields_of, member
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.formats.json_object import JsonObject, by_name, object_of
from ingest.sink.commands.json_text import Member, NotJson
from ingest.sink.commands.quoting import clip

_ENVELOPE: Final = {"schema", "payload"}
_TYPES: Final = frozenset(
    ("boolean", "int8", "int16", "int32", "int64", "float", "double", "bytes", "string", "array", "map", "struct")
)


class ConnectJson:
    """`text` reads a payload that is a string."""

    reads_headers = False
    reads_plain = False

    def __init__(self, text: JsonObject, *, lenient_expiry: bool = False) -> None:
        self._text = text
        self._lenient = lenient_expiry

    def read(self, value: bytes) -> Fields:
        found = object_of(value)
        if not is_envelope(found):
            raise Undeliverable(
                "malformed",
                'The record is a JSON object without an envelope of just schema and payload, which sink.format = "connect-'
                'json-schema" asks for: write it with value.converter.schemas.enable=true, or set sink.format = "auto".',
            )
        return self.payload_of(found)

    def payload_of(self, envelope: dict[str, Member]) -> Fields:
        """Returns the fields of an object that `is_envelope`."""
        schema, payload = envelope["schema"].value, envelope["payload"]
        kind = _type_of(schema, "the schema") if schema is not None else None
        if payload.value is None:
            raise Undeliverable("malformed", f"The payload is null: {COMMAND}.")
        if isinstance(payload.value, str) and kind in ("string", None):
            return self._text.read(payload.value.encode("utf-8", "surrogatepass"))
        if not isinstance(payload.value, dict) or kind not in ("struct", "map", None):
            of_type = f" of type {kind}" if kind else ""
            raise Undeliverable("malformed", f"The payload{of_type} is {clip(payload.value)}: {COMMAND}.")
        try:
            written = by_name(payload.text)
        except NotJson as error:  # text that was parsed once is parsed again
            raise Undeliverable("malformed", f"The payload cannot be read: {error}.") from None
        if kind is None:
            return self._text.fields_of(written)
        if kind == "map":
            return fields_of(written, frozenset(), lenient_expiry=self._lenient)
        return self._struct(json.loads(envelope["schema"].text), written)

    def _struct(self, schema: dict[str, object], written: dict[str, Member]) -> Fields:
        declared = schema.get("fields")
        if not isinstance(declared, list):
            raise Undeliverable("malformed", "The schema is a struct without fields: write its list of fields.")
        struct: dict[str, Member] = {}
        texts = set()
        for field in declared:
            name = field.get("field") if isinstance(field, dict) else None
            if not isinstance(name, str):
                raise Undeliverable(
                    "malformed", f"The schema has {clip(field)} among its fields: write field and type."
                )
            kind = _type_of(field, f"the field {clip(name)}")
            if kind == "string":
                texts.add(name)
            found = written.get(name)
            if (found is None or found.value is None) and field.get("default") is not None:
                found = member(name, field["default"])
            if found is not None:
                struct[name] = _bytes(found) if kind == "bytes" else found
        fields = fields_of(struct, texts, lenient_expiry=self._lenient)
        return fields._replace(ignored=(*fields.ignored, *(name for name in written if name not in struct)))


def is_envelope(found: dict[str, Member]) -> bool:
    """Whether the object is an envelope of Kafka Connect: only schema and payload."""
    return found.keys() == _ENVELOPE and isinstance(found["schema"].value, dict | None)


def _type_of(schema: object, of: str) -> str:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise Undeliverable("malformed", f"Of {of}, the type is {clip(kind)}: write one of Kafka Connect's, as string.")
    return kind


def _bytes(found: Member) -> Member:
    if not isinstance(found.value, str):
        return found
    try:
        return member(found.name, b64decode(found.value, validate=True))
    except (binascii.Error, ValueError):
        raise Undeliverable(
            "malformed", f"The field {clip(found.name)} is of type bytes and not Base64: write it in Base64."
        ) from None
