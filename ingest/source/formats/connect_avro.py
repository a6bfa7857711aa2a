"""Format `connect-avro`: the old connector's struct as Connect's AvroConverter wrote it, for consumers with a schema
registry. Pure: `ingest.kafka.schema_registry` asks for the schema's id at the start."""

from collections.abc import Collection, Iterable
from typing import ClassVar, Final

from ingest.source.formats.connect import ConnectFormat
from ingest.source.formats.java_text import utf8_text

SCHEMA: Final = (
    '{"type":"record","name":"connect","namespace":"iothub.kafka","fields":['
    '{"name":"deviceId","type":"string"},{"name":"offset","type":"string"},'
    '{"name":"contentType","type":["null","string"],"default":null},{"name":"enqueuedTime","type":"string"},'
    '{"name":"sequenceNumber","type":"long"},{"name":"content","type":"string"},'
    '{"name":"systemProperties","type":{"type":"map","values":"string"}},'
    '{"name":"properties","type":{"type":"map","values":"string"}}],'
    '"connect.version":1,"connect.name":"iothub.kafka.connect"}'
)
"""Byte for byte as the old connector registered it: registries compare schemas by their text."""
_NULL, _STRING = b"\x00", b"\x02"
"""Which branch of the union of `contentType` follows."""


def long(number: int) -> bytes:
    """Returns an Avro long: zigzag, seven bits per byte, lowest first."""
    rest = (number << 1) ^ (number >> 63)
    written = bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


_LENGTHS: Final = tuple(map(long, range(4_096)))


def _sized(content: bytes) -> bytes:
    size = len(content)
    return (_LENGTHS[size] if size < len(_LENGTHS) else long(size)) + content


class ConnectAvroFormat(ConnectFormat):
    """The framing of Confluent's serializers: a zero byte, the schema's id in four, the struct in Avro's binary encoding.
    Implements `contract.SchemaFormat`."""

    schema: ClassVar[str] = SCHEMA

    def __init__(self, partition: str, schema_id: int = 0) -> None:
        super().__init__(partition)
        self._head = b"\0" + schema_id.to_bytes(4, "big")

    def text(self, text: str) -> bytes:
        return _sized(text.encode("utf-8", "replace"))

    def time(self, text: bytes) -> bytes:
        return _sized(text)

    def number(self, number: int) -> bytes:
        return long(number)

    def optional(self, text: str | None) -> bytes:
        return _NULL if text is None else _STRING + self.text(text)

    def entry(self, name: str, value: str) -> bytes:
        return self.text(name) + self.text(value)

    def map(self, entries: Iterable[bytes]) -> bytes:
        held = entries if isinstance(entries, Collection) else list(entries)
        return b"%b%b\x00" % (long(len(held)), b"".join(held)) if held else b"\x00"

    def content(self, body: bytes) -> bytes:
        try:
            body.decode()
        except UnicodeDecodeError:
            body = utf8_text(body).encode()
        return _sized(body)

    def struct(self, fields: tuple[bytes, ...]) -> bytes:
        return self._head + b"".join(fields)

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return 2 * body_bytes + 1_024  # a byte that is not text becomes the three bytes of U+FFFD
