"""One of the old connector's files: its properties, each read once, with errors that name file and property."""

import difflib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ingest.config.layers import Name
from ingest.config.rendering import shown_value
from ingest.config.values import BadValue
from ingest.errors import ConfigError, Problem
from ingest.migrate import java_properties
from ingest.migrate.java_values import trimmed
from ingest.migrate.steps import PLACEHOLDER, is_filled_in, of_step, skipped_step
from ingest.migrate.translation import HALF, Translation, has_half_a_character

_LARGEST_BYTES: Final = 1 << 20
_MARK: Final = "\xef\xbb\xbf"
"""UTF-8's byte order mark, as Java reads it."""
_QUOTATION_MARKS: Final = frozenset("\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb")
_Value = TypeVar("_Value")


def load_properties(path: Path) -> dict[str, str]:
    """Returns the properties of a java.util.Properties file, or of the JSON that Connect's REST API takes: `{"name",
    "config"}` or only the inner object. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise _bad(
            path, f"cannot be read ({os.strerror(error.errno or 0)}); check the path and its permissions"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise _bad(path, f"is larger than {_LARGEST_BYTES} bytes, so it is no configuration; correct the path")
    if b"\0" in content:
        raise _bad(path, "is in UTF-16, or no text at all: save it as plain text")
    if content.lstrip().startswith(b"{"):
        return _from_json(path, content)
    try:
        return java_properties.parse(content)
    except java_properties.BadEscape as bad:
        raise _bad(path, str(bad)) from None


def _from_json(path: Path, content: bytes) -> dict[str, str]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as wrong:
        raise _bad(path, f"begins like JSON and is none: {wrong}") from None
    inner = document.get("config", document)
    if not isinstance(inner, dict) or any(isinstance(value, dict | list) for value in inner.values()):
        raise _bad(path, 'is not {"name": …, "config": {…}} with texts, as Connect\'s REST API takes it')
    properties = {name: _text(value) for name, value in inner.items() if value is not None}
    return {"name": str(document["name"]), **properties} if inner is not document and "name" in document else properties


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _bad(path: Path, fix: str) -> ConfigError:
    return ConfigError([Problem(str(path), "", fix)])


def _is_quoted(text: str) -> bool:
    """Whether a quotation mark begins or ends it, also one that a word processor has made."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()  # UTF-8 that was read by Java's rules
    return bool(text) and not _QUOTATION_MARKS.isdisjoint((text[0], text[-1]))


class ConnectFile:
    """The properties of one file. Problems and remarks go to the translation."""

    def __init__(self, name: str, properties: Mapping[str, str], translation: Translation) -> None:
        """`name`: the file's name for messages."""
        self.name = name
        self.translation = translation
        self._properties = properties
        self._read: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._properties

    @property
    def unread(self) -> list[str]:
        """The names of the properties that were not read."""
        return [name for name in self._properties if name not in self._read]

    def beneath(self, prefix: str) -> dict[str, str]:
        """Returns the properties whose names begin with the prefix, without it; values trimmed."""
        found = [name for name in self._properties if name.startswith(prefix)]
        self._read.update(found)
        return {name.removeprefix(prefix): trimmed(self._properties[name]) for name in found}

    def origin(self, *names: str) -> str:
        return f"{', '.join(names)} in {self.name}"

    def peek(self, name: str) -> str:
        """Returns the trimmed text as it is; empty if absent."""
        self._read.add(name)
        return trimmed(self._properties.get(name, ""))

    def read(self, name: str, key: Name, parse: Callable[[str], _Value], *, secret: bool = False) -> _Value | None:
        """Returns what `parse` makes of a required property; None after a problem, which a value for `key` settles."""
        if name not in self._properties:
            self.refuse(name, key, self._missing(name))
            return None
        return self.read_if_there(name, key, parse, secret=secret)

    def read_if_there(
        self, name: str, key: Name, parse: Callable[[str], _Value], *, secret: bool = False
    ) -> _Value | None:
        """Like `read`, but None without a problem if the property is absent."""
        if name not in self._properties:
            return None
        text = self.peek(name)
        try:
            if PLACEHOLDER in text or (text.startswith("<") and text.endswith(">")):
                left = PLACEHOLDER if PLACEHOLDER in text else "a placeholder"
                raise BadValue(f"still has {left}: {skipped_step(name) or 'write its value'}")
            if _is_quoted(text):
                raise BadValue("has quotation marks, which are part of a value in a .properties file: leave them out")
            if has_half_a_character(text):
                raise BadValue(HALF)
            return parse(text)
        except BadValue as bad:
            self.refuse(name, key, str(bad), secret=secret)
            return None

    def _missing(self, name: str) -> str:
        if _MARK + name in self._properties:
            return "is missing: a byte order mark in front belongs to it for Java; save the file as UTF-8 without that mark"
        others = [other for other in self._properties if not is_filled_in(other)]
        near = difflib.get_close_matches(name, others, n=1, cutoff=0.8)
        if near:
            return f"is missing and required: did you mean {name} where {self.name} has {near[0]}?"
        step = skipped_step(name)
        return f"is missing and required{': ' if step else ''}{step}"

    def refuse(self, name: str, key: Name, fix: str, *, secret: bool = False) -> None:
        text = self.peek(name)
        shown = (
            ""
            if name not in self._properties
            else "***"
            if secret and text and PLACEHOLDER not in text
            else shown_value(text)
        )
        self.translation.problems.append((key, Problem(f"{self.name}: {name}", shown, of_step(name, fix))))
