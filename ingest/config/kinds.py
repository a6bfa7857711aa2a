"""The kinds of value that a key can have: how to read each from TOML and from text, and what it must be.

`read` gets TOML's value (`object`) and the base folder of relative paths; it returns the typed value or raises
BadValue. `from_text` turns text of the environment into the value that TOML would give.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingest.config.values import BadValue, Secret, Start, looks_secret, start_position


class Kind(Protocol):
    @property
    def allowed(self) -> str:
        """The allowed words or range, for the example file; empty if that is not a short list."""

    def read(self, raw: object, base: Path) -> object: ...

    def from_text(self, text: str) -> object: ...


@dataclass(frozen=True, slots=True)
class _Text:
    @property
    def allowed(self) -> str:
        return ""

    def from_text(self, text: str) -> object:
        return text


@dataclass(frozen=True, slots=True)
class Name(_Text):
    """Text that passes `check`, and is not empty unless that is `optional`."""

    check: Callable[[str], None] | None
    example: str
    optional: bool = False

    def read(self, raw: object, base: Path) -> str:
        if raw == "" and self.optional:
            return ""
        if not isinstance(raw, str) or not raw.strip():
            raise BadValue(f'expects text in quotation marks, such as "{self.example}"')
        if self.check is not None:
            self.check(raw)
        return raw


@dataclass(frozen=True, slots=True)
class Text(_Text):
    """Text that may be empty, and else passes `check`."""

    check: Callable[[str], None] | None
    example: str

    def read(self, raw: object, base: Path) -> str:
        if not isinstance(raw, str):
            raise BadValue(f'expects text in quotation marks, such as "{self.example}"')
        if self.check is not None and raw:
            self.check(raw)
        return raw


@dataclass(frozen=True, slots=True)
class Names(_Text):
    """A list of different texts, each of which passes `check`."""

    check: Callable[[str], None]
    example: str
    empty: bool = False

    def read(self, raw: object, base: Path) -> tuple[str, ...]:
        if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
            raise BadValue(f'expects a list of texts, such as ["{self.example}"]')
        if not raw and not self.empty:
            raise BadValue(f'expects at least one, such as ["{self.example}"]')
        for place, item in enumerate(raw, start=1):
            try:
                self.check(item)
            except BadValue as error:
                raise BadValue(f"item {place}: {error}") from None
            if item in raw[: place - 1]:
                raise BadValue(f"item {place} is there twice: leave one out")
        return tuple(raw)

    def from_text(self, text: str) -> object:
        return [item.strip() for item in text.split(",")] if text.strip() else []


@dataclass(frozen=True, slots=True)
class Choice(_Text):
    """One of a few words. `other` says why an expected word is not among them; `same` has other words for some of them."""

    words: tuple[str, ...] = ()
    other: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        return ", ".join(f'"{word}"' for word in self.words)

    def read(self, raw: object, base: Path) -> str:
        if isinstance(raw, str) and raw in self.words:
            return raw
        if isinstance(raw, str) and raw in self.same:
            return self.same[raw]
        if isinstance(raw, str) and raw in self.other:
            raise BadValue(self.other[raw])
        raise BadValue(f"write one of {self.allowed}")


@dataclass(frozen=True, slots=True)
class Flag(_Text):
    """True or false."""

    @property
    def allowed(self) -> str:
        return "true, false"

    def read(self, raw: object, base: Path) -> bool:
        if not isinstance(raw, bool):
            raise BadValue("write true or false, without quotation marks")
        return raw

    def from_text(self, text: str) -> object:
        return {"true": True, "false": False}.get(text.strip().lower(), text)


@dataclass(frozen=True, slots=True)
class Whole(_Text):
    """A whole number in a range, both ends included."""

    least: int
    most: int

    @property
    def allowed(self) -> str:
        return f"{self.least} to {self.most}"

    def read(self, raw: object, base: Path) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not self.least <= raw <= self.most:
            raise BadValue(f"expects a whole number from {self.allowed}, without quotation marks")
        return raw

    def from_text(self, text: str) -> object:
        return _number_or_text(text, int)


@dataclass(frozen=True, slots=True)
class Number(_Text):
    """A number in a range, both ends included."""

    least: float
    most: float

    @property
    def allowed(self) -> str:
        return f"{self.least:.16g} to {self.most:.16g}"

    def read(self, raw: object, base: Path) -> float:
        if not isinstance(raw, int | float) or isinstance(raw, bool) or not self.least <= raw <= self.most:
            raise BadValue(f"expects a number from {self.allowed}, without quotation marks")
        return float(raw)

    def from_text(self, text: str) -> object:
        return _number_or_text(text, float)


def _number_or_text(text: str, number: type[int] | type[float]) -> object:
    try:
        return number(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class FilePath(_Text):
    """A path; a relative one starts at `base`."""

    optional: bool = False
    must_exist: bool = False

    def read(self, raw: object, base: Path) -> Path | None:
        if not isinstance(raw, str) or "\0" in raw or not (raw or self.optional):
            raise BadValue('expects a path in quotation marks, such as "/etc/ingest/ca.pem"')
        if not raw:
            return None
        if looks_secret(raw):
            raise BadValue("expects a path, and this looks like a secret")
        path = base / raw
        if self.must_exist:
            _check_file(path)
        return path


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadValue(f"there is no such file ({path})") from None
    except OSError as error:
        raise BadValue(f"it cannot be read ({os.strerror(error.errno or 0)}); correct the path or its rights") from None
    if not stat.S_ISREG(mode):
        raise BadValue(f"not a file ({path})")


@dataclass(frozen=True, slots=True)
class SecretText(_Text):
    """A secret that passes `check`, or nothing. The loader also reads it from the file that `…_file` names."""

    check: Callable[[str], object]
    form: str

    def read(self, raw: object, base: Path) -> Secret:
        if not isinstance(raw, str):
            raise BadValue(f'expects text in quotation marks, such as "{self.form}"')
        if raw.strip():
            self.check(raw)
        return Secret(raw.strip())


@dataclass(frozen=True, slots=True)
class StartPosition(_Text):
    """Where to start without a checkpoint."""

    def read(self, raw: object, base: Path) -> Start:
        return start_position(raw)


@dataclass(frozen=True, slots=True)
class Librdkafka(_Text):
    """A table of librdkafka's own settings. The loader reads them one by one, so that each gets its own error."""

    def read(self, raw: object, base: Path) -> object:
        raise BadValue('expects a table: [kafka.librdkafka] with lines such as "compression.type" = "lz4"')
