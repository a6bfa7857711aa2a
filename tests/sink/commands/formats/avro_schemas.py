"""Schemas by number, without a registry."""

from collections.abc import Mapping

from ingest.errors import Undeliverable
from ingest.sink.commands.formats.avro_reader import BadSchema, prepared


class Registered:
    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts

    def get(self, number: int) -> object:
        try:
            return prepared(self._texts[number])
        except (KeyError, BadSchema) as error:
            raise Undeliverable("unknown_schema", f"no schema {number} ({error})") from None


def frame(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + body
