"""A Kafka Connect struct → a command's fields, whichever converter wrote it. Pure."""

from collections.abc import Mapping, Set
from typing import Final

import orjson

from ingest.errors import Undeliverable
from ingest.sink.commands.formats import old_expiry
from ingest.sink.commands.formats.contract import Fields
from ingest.sink.commands.json_text import Member, Number
from ingest.sink.commands.quoting import clip

COMMAND: Final = "a command is a struct with deviceId and message, or a string that holds a JSON object with them"


def fields_of(struct: Mapping[str, Member], texts: Set[str], *, lenient_expiry: bool) -> Fields:
    """Returns the fields. Null means absent, even for the message: it is the value of an unset typed field.

    `texts`: the fields that are strings by their schema.
    """
    found = {name: member for name, member in struct.items() if member.value is not None}
    return old_expiry.in_struct(found, texts) if lenient_expiry else Fields(found)


def member(name: str, value: object) -> Member:
    """Returns a value not from JSON: bytes stay bytes, all else is as JSON writes it. Raises Undeliverable
    (malformed)."""
    if isinstance(value, bytes):
        return Member(name, value, "")
    try:
        text = orjson.dumps(value, default=str).decode()
    except (TypeError, ValueError) as error:
        raise Undeliverable(
            "malformed", f"The field {clip(name)} cannot be written as JSON ({error}): make it a string."
        ) from None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Member(name, Number(text) if is_number else value, text)
