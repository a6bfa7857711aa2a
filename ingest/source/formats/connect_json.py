"""Format `connect-json`: the old connector's struct as Connect's JsonConverter wrote it, with `schemas.enable` off. Pure."""

import re
from collections.abc import Iterable
from typing import Final

import orjson

from ingest.source.formats.connect import ConnectFormat
from ingest.source.formats.parts import dumps, kept

_WIDE = re.compile("[\U00010000-\U0010ffff]")
_SPECIAL = re.compile('[\\x00-\\x1f"\\\\\ud800-\udfff\U00010000-\U0010ffff]')
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_STRUCT: Final = (
    b'{"deviceId":%b,"offset":%b,"contentType":%b,"enqueuedTime":%b,"sequenceNumber":%b,"content":%b,'
    b'"systemProperties":%b,"properties":%b}'
)


def jackson(text: str) -> bytes:
    """Returns the text as Jackson writes it: characters above U+FFFF as two escapes with upper-case digits."""
    try:
        written = dumps(text)
    except orjson.JSONEncodeError:  # halves of surrogate pairs
        return _escaped(text)
    if b"\\u00" in written or not (text.isascii() or _WIDE.search(text) is None):
        return _escaped(text)
    return written


def _escaped(text: str) -> bytes:
    return b'"%b"' % _SPECIAL.sub(_escape, text).encode()


def _escape(found: "re.Match[str]") -> str:
    character = found[0]
    short = _SHORT.get(character)
    if short is not None:
        return short
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04X}" for at in range(0, len(units), 2))


class ConnectJsonFormat(ConnectFormat):
    """The struct as a JSON object. A key is JSON as well."""

    def text(self, text: str) -> bytes:
        return jackson(text)

    def time(self, text: bytes) -> bytes:
        return b'"%b"' % text

    def number(self, number: int) -> bytes:
        return b"%d" % number

    def optional(self, text: str | None) -> bytes:
        return b"null" if text is None else jackson(text)

    def entry(self, name: str, value: str) -> bytes:
        return b"%b:%b" % (jackson(name), jackson(value))

    def map(self, entries: Iterable[bytes]) -> bytes:
        return b"{%b}" % b",".join(entries)

    def struct(self, fields: tuple[bytes, ...]) -> bytes:
        return _STRUCT % fields

    def key(self, key: bytes | None) -> bytes | None:
        return None if key is None else kept(jackson(key.decode()))

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return 5 * body_bytes + 1_024  # a control character becomes an escape of six bytes
