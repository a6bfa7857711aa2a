"""Format `json`: a command is one JSON object in UTF-8. Pure."""

import codecs
from typing import NoReturn

import orjson

from ingest.errors import Undeliverable
from ingest.sink.commands.foreign import foreign_bytes
from ingest.sink.commands.formats import old_expiry
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.json_text import Member, NotJson, members
from ingest.sink.commands.quoting import clip


class JsonObject:
    """`lenient_expiry`: expiries as the old connector read them in JSON text (`old_expiry`)."""

    reads_headers = True

    def __init__(self, *, lenient_expiry: bool = False) -> None:
        self.reads_plain = not lenient_expiry
        self._lenient = lenient_expiry

    def read(self, value: bytes) -> Fields:
        return self.fields_of(object_of(value))

    def fields_of(self, found: dict[str, Member]) -> Fields:
        """Returns the fields of an object that is already parsed."""
        return old_expiry.in_text(found) if self._lenient else Fields(found)


def object_of(value: bytes) -> dict[str, Member]:
    """Returns the members of a value that is a JSON object, by name. Raises Undeliverable (malformed)."""
    plain = value.removeprefix(codecs.BOM_UTF8)
    try:
        text = plain.decode()
        if not text.lstrip(" \t\n\r").startswith("{"):
            _not_an_object(plain)
        return by_name(text)
    except UnicodeDecodeError as error:
        _not_json(plain, str(error))
    except NotJson as error:
        _not_json(plain, str(error))


def by_name(text: str) -> dict[str, Member]:
    """Returns the members of the object in `text`. Raises NotJson, or Undeliverable if a name comes twice."""
    found: dict[str, Member] = {}
    for member in members(text):
        if member.name in found:
            # Whichever value was meant, a reader with another rule sees another command, or another device.
            raise Undeliverable(
                "malformed", f"The record has the key {clip(member.name)} more than once: write it once."
            )
        found[member.name] = member
    return found


def _not_an_object(value: bytes) -> NoReturn:
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        _not_json(value, str(error))
    fix = "write one object with deviceId and message"
    if isinstance(record, list):
        fix = "a JSON array, but each command is a record of its own: " + fix
    elif isinstance(record, str) and record.lstrip().startswith("{"):
        fix = "a JSON string that holds JSON, so it was encoded twice: " + fix
    elif isinstance(record, str):
        fix = "a JSON string: " + fix
    raise Undeliverable("malformed", f"The record is JSON and no object but {clip(record)}: {fix}.")


def _not_json(value: bytes, error: str) -> NoReturn:
    if what := foreign_bytes(value):
        raise Undeliverable("malformed", f"The record is {what}.")
    raise Undeliverable(
        "malformed",
        f"The record is not JSON in UTF-8 ({error}): write an object with deviceId and message, or put deviceId in a header.",
    )
