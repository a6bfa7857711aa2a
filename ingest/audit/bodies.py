"""The contents of records, as digests, for a comparison with the hub's events. Pure."""

import base64
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal

import orjson

from ingest.audit.numbers import CHUNK_BITS
from ingest.kafka.dead_letters.record import HEADER_OMITTED
from ingest.kafka.header_names import Header
from ingest.shadow.decoding import SchemaOf, decode
from ingest.source.events.event import Event
from ingest.source.formats.java_text import utf8_text

_CHUNK: Final = 1 << CHUNK_BITS
_NONE: Final = 0
_UNEQUAL: Final = 1
"""Two digests that stand for something else: no record; and records of one event with different contents."""
Comparison = Literal["equal", "differs", "unknown"]


class Bodies:
    """Of one partition of the hub: eight bytes for an event."""

    def __init__(self) -> None:
        self._chunks: dict[int, array[int]] = {}

    def put(self, number: int, content: bytes) -> None:
        """Takes the content of one record."""
        chunk = self._chunks.get(number >> CHUNK_BITS)
        if chunk is None:
            chunk = self._chunks[number >> CHUNK_BITS] = array("Q", bytes(8 * _CHUNK))
        place = number & (_CHUNK - 1)
        digest = _digest(content)
        chunk[place] = digest if chunk[place] in (_NONE, digest) else _UNEQUAL

    def compare(self, event: Event) -> Comparison:
        """Whether all records of the event have its content; unknown: there is none that has a content."""
        chunk = self._chunks.get(event.sequence_number >> CHUNK_BITS)
        found = _NONE if chunk is None else chunk[event.sequence_number & (_CHUNK - 1)]
        if found == _NONE:
            return "unknown"
        return "equal" if found == _digest(event.body) or found in _as_text(event) else "differs"


def content_of(value: bytes, headers: Sequence[Header], schema_of: SchemaOf) -> bytes | None:
    """Returns the content in a record of ours, of any format, or in a dead letter; None if a letter had to leave it out.
    Raises ValueError, KeyError or TypeError if there is none."""
    if any(name == HEADER_OMITTED for name, _ in headers):
        return None
    if any(name == "sequenceNumber" for name, _ in headers):
        return value
    found = orjson.loads(value) if value[:1] == b"{" else {}
    if "partition" not in found:
        return decode(value, headers, schema_of).content.encode(errors="surrogatepass")
    content = found["content"]
    return base64.b64decode(content, validate=True) if found.get("contentTransfer") == "base64" else content.encode()


def _as_text(event: Event) -> set[int]:
    """The digests of what formats that carry text alone, or the first of several data sections, write of it."""
    first = event.labels.first_data
    bodies = [event.body] if first is None else [event.body, first]
    return {_digest(utf8_text(body).encode(errors="surrogatepass")) for body in bodies}


def _digest(content: bytes) -> int:
    digest = int.from_bytes(blake2b(content, digest_size=8).digest())
    return digest if digest > _UNEQUAL else digest + 2
