"""Positions as the Event Hubs processors of all languages write them. Pure.

They agree on two texts, an offset and a sequence number, but not on how to write a missing one: Python writes "None",
.NET "no offset" or nothing and the smallest 64-bit number, JavaScript "undefined", Go and Rust leave the field out.
"""

import re
from collections.abc import Mapping

BEFORE_FIRST_OFFSET = "-1"
"""For every client and the hub itself: the place before a partition's first event."""
_NO_OFFSET = {"", "none", "null", "nil", "undefined", "nan", "no offset", "@latest"}
_NEGATIVE = re.compile(r"-\d+(\.0)?")
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_LARGEST_NUMBER = (1 << 63) - 1
_LONGEST_OFFSET = 1024
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last time that Python can hold."""


def position_of(metadata: Mapping[str, str] | None) -> tuple[str | None, int | None]:
    """Returns (offset, sequence number) of a checkpoint blob's metadata, whatever the case of its keys; None for what
    is unknown. ("-1", -1) means before the first event. Unknown fields are ignored."""
    fields = {key.lower(): value for key, value in (metadata or {}).items()}
    offset_text, number_text = fields.get("offset", ""), fields.get("sequencenumber", "")
    offset, number = offset_in(offset_text), number_in(number_text)
    if offset is None and number is None and offset_text.strip() == number_text.strip() == BEFORE_FIRST_OFFSET:
        return BEFORE_FIRST_OFFSET, -1
    return offset, number


def offset_in(text: str) -> str | None:
    """Returns an offset that the hub can be asked for. It is opaque; only what cannot be one becomes None."""
    text = text.strip()
    if text.lower() in _NO_OFFSET or _NEGATIVE.fullmatch(text) or len(text) > _LONGEST_OFFSET:
        return None
    # A quotation mark would end the text in the filter that asks for it.
    return text if text.isprintable() and "'" not in text else None


def number_in(text: str) -> int | None:
    """Returns a sequence number: 0 to 2^63 - 1."""
    text = text.strip()
    if _NUMBER.fullmatch(text) is None or int(text) > _LARGEST_NUMBER:
        return None
    return int(text)


def time_in(text: str) -> int | None:
    """Returns a time, Unix milliseconds."""
    number = number_in(text)
    return number if number is not None and number <= _LAST_MS else None
