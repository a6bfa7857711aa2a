"""Format `connect-string`: the old connector's struct as Connect's StringConverter wrote it. Pure."""

from collections.abc import Iterable
from typing import Final

from ingest.source.formats.connect import ConnectFormat

_STRUCT: Final = (
    b"Struct{deviceId=%b,offset=%b%b,enqueuedTime=%b,sequenceNumber=%b,content=%b,systemProperties=%b,properties=%b}"
)


class ConnectStringFormat(ConnectFormat):
    """`Struct{deviceId=…,offset=…,…}`: Java's text of the struct, which cannot be parsed reliably."""

    def text(self, text: str) -> bytes:
        return text.encode("utf-8", "replace")

    def time(self, text: bytes) -> bytes:
        return text

    def number(self, number: int) -> bytes:
        return b"%d" % number

    def optional(self, text: str | None) -> bytes:
        return b"" if text is None else b",contentType=" + self.text(text)

    def entry(self, name: str, value: str) -> bytes:
        return self.text(f"{name}={value}")

    def map(self, entries: Iterable[bytes]) -> bytes:
        return b"{%b}" % b", ".join(entries)

    def struct(self, fields: tuple[bytes, ...]) -> bytes:
        return _STRUCT % fields

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return 2 * body_bytes + 1_024  # a byte that is not text becomes the three bytes of U+FFFD
