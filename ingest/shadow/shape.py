"""The shape in which records of all forms are compared: the fields of the old connector's struct, in its words. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

Entries = Mapping[str, str]

LONGEST_TEXT: Final = 64
"""Characters of a field up to which it is kept as it is."""
LONGEST_ENTRY: Final = 512
"""Likewise of an entry of a map. Longer ones are told apart by what they begin with and a digest."""
MOST_ENTRIES: Final = 100
MAPS: Final = ("systemProperties", "properties")
FIELDS: Final = ("deviceId", "offset", "contentType", "enqueuedTime", "sequenceNumber", "content")


class Shape(NamedTuple):
    """A record, as the old connector would have written it as a struct."""

    device_id: str
    """Empty when no device sent the event."""
    offset: str
    content_type: str | None
    enqueued: str
    """As `Instant.toString()`; empty when the event has no time."""
    sequence: int
    content: str
    system: Entries
    properties: Entries
    is_text: bool = False
    """Whether it was read from Java's text of a struct, of whose maps nobody can say for certain where an entry ends."""

    @property
    def enqueued_ms(self) -> int | None:
        """Unix milliseconds; None without a date."""
        try:
            return int(datetime.fromisoformat(self.enqueued.removesuffix("Z")).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            return None

    def exact_digest(self) -> bytes | None:
        """Of all fields, whatever the order of the maps; None if `is_text`."""
        return None if self.is_text else _digest(self[:8])

    def text_digest(self) -> bytes:
        """Of what Java's text of the struct says, whatever the order of the maps."""
        return _digest((*self[:6], text_view(self.system), text_view(self.properties)))

    def excerpt(self) -> dict[str, Any]:
        """What is kept until the other record comes: every field by its name, long ones shortened."""
        return {
            "deviceId": _short(self.device_id, LONGEST_ENTRY),
            "offset": _short(self.offset, LONGEST_TEXT),
            "contentType": None if self.content_type is None else _short(self.content_type, LONGEST_TEXT),
            "enqueuedTime": _short(self.enqueued, LONGEST_TEXT),
            "sequenceNumber": self.sequence,
            "content": _short(self.content, LONGEST_TEXT),
            "systemProperties": _few(self.system),
            "properties": _few(self.properties),
            "isText": self.is_text,
        }


def entries_of_text(text: str) -> dict[str, str]:
    """The entries of `name=value, name=value`. A part without `=` belongs to the value before it."""
    entries: dict[str, str] = {}
    last = None
    for part in text.split(", ") if text else ():
        name, mark, value = part.partition("=")
        if mark or last is None:
            last = _free(name, entries)
            entries[last] = value
        else:
            entries[last] += f", {part}"
    return entries


def text_view(entries: Entries) -> Entries:
    """The entries that would be read from Java's text of this map. The same map, unless a name or value has `, ` or `=`."""
    if any(", " in value for value in entries.values()) or any("=" in name or ", " in name for name in entries):
        return entries_of_text(", ".join(f"{name}={value}" for name, value in entries.items()))
    return entries


def clean(text: str) -> str:
    """The text with `?` for each half of a surrogate pair, as Java writes it in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _free(name: str, entries: Entries) -> str:
    """A name that is there twice can only be a part of a value."""
    free, number = name, 1
    while free in entries:
        number += 1
        free = f"{name} ({number})"
    return free


def _digest(value: Any, size: int = 16) -> bytes:
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=size).digest()


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: LONGEST_TEXT // 2]}… ({len(text)} characters, digest {_digest(text, 8).hex()})"


def _few(entries: Entries) -> dict[str, str]:
    names = sorted(entries)
    kept = {_short(name, LONGEST_ENTRY): _short(entries[name], LONGEST_ENTRY) for name in names[:MOST_ENTRIES]}
    if len(names) > MOST_ENTRIES:
        kept["…"] = f"digest {_digest([(name, entries[name]) for name in names[MOST_ENTRIES:]], 8).hex()}"
    return kept
