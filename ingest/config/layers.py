"""The three places to set a key, each read into one flat layer, and how a higher layer overrides a lower one.

TOML file, then environment `INGEST__SECTION__KEY`, then flags `--set section.key=value`. Two keys are tables:
`source.start` (partition → offset) and `kafka.librdkafka` (setting → value); their entries have a third name.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ingest.errors import Problem

Name = tuple[str, ...]
"""("source", "topic"), or ("kafka", "librdkafka", "compression.type") for an entry of a table."""
TABLES: Final[frozenset[Name]] = frozenset({("source", "start"), ("kafka", "librdkafka")})
SUBSECTIONS: Final[frozenset[Name]] = frozenset({("kafka", "schema_registry")})
"""Sections within a section. The names of their keys are two, ("kafka.schema_registry", "url")."""
FLAG: Final = "set by --set"
_ENVIRONMENT_PREFIX: Final = "INGEST__"


@dataclass(frozen=True, slots=True)
class Given:
    """One value as the user wrote it."""

    value: object
    """The value from TOML, or text if `is_text`."""
    base: Path
    """Base folder of relative paths: that of the file, or the current one for environment and flags."""
    origin: str = ""
    """Where it comes from, in words, if not from the file."""
    is_text: bool = False
    """From a place without types: the key's kind reads it."""


Layer = dict[Name, Given]


@dataclass(frozen=True, slots=True)
class Below:
    """A layer under the file, from elsewhere than a user's own keys."""

    layer: Mapping[Name, Given] = field(default_factory=dict)
    problems: Sequence[tuple[Name, Problem]] = ()
    """Of keys that could not be made; a key that a higher layer gives has none."""


NOTHING_BELOW: Final = Below()


def dotted(name: Name) -> str:
    return ".".join(name)


def read_file(path: Path) -> tuple[Layer, list[Problem]]:
    """Returns the layer of a TOML file. A file that cannot be read or parsed is one problem."""
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return {}, [
            Problem(str(path), "", f"cannot be read ({os.strerror(error.errno or 0)}); check -c and permissions")
        ]
    except UnicodeDecodeError as error:
        return {}, [Problem(str(path), "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return {}, [Problem(str(path), "", f"is not TOML: {error or 'nested too deeply'}")]
    except ValueError:  # Python reads no decimal number of more than 4300 digits
        return {}, [Problem(str(path), "", "has a number of thousands of digits, which no key takes: correct it")]
    base = path.absolute().parent
    layer: Layer = {}
    for section, keys in document.items():
        if isinstance(keys, dict) and keys:
            for key, value in keys.items():
                layer.update({name: Given(entry, base) for name, entry in _entries((section, key), value)})
        else:
            layer[(section,)] = Given(keys, base)
    return layer, []


def _entries(name: Name, value: object) -> Iterator[tuple[Name, object]]:
    """Yields a table's entries, with nested tables joined: in TOML an unquoted `compression.type = …` is two levels."""
    if name[:2] in TABLES and isinstance(value, dict):
        for key, entry in value.items():
            joined = (*name[:2], f"{name[2]}.{key}" if len(name) == 3 else key)
            yield from _entries(joined, entry)
    elif name in SUBSECTIONS and isinstance(value, dict):
        for key, entry in value.items():
            yield (dotted(name), key), entry
    else:
        yield name, value


def _in_section(name: Name) -> Name:
    return (dotted(name[:2]), name[2]) if name[:2] in SUBSECTIONS and len(name) == 3 else name


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Returns the layer of `INGEST__SECTION__KEY` and `INGEST__SECTION__KEY__ENTRY`.

    In an entry of kafka.librdkafka each `_` stands for a dot, except in the ending `_FILE` of a secret's file:
    `INGEST__KAFKA__LIBRDKAFKA__COMPRESSION_TYPE` is `compression.type`.
    """
    layer: Layer = {}
    for variable in sorted(environ):
        if variable.startswith(_ENVIRONMENT_PREFIX):
            name = _in_section(tuple(variable.removeprefix(_ENVIRONMENT_PREFIX).lower().split("__", 2)))
            if name[:2] == ("kafka", "librdkafka") and len(name) == 3:
                stem, file = name[2].removesuffix("_file"), name[2].endswith("_file")
                name = (*name[:2], stem.replace("_", ".") + ("_file" if file else ""))
            layer[name] = Given(environ[variable], Path.cwd(), f"set by {variable}", is_text=True)
    return layer


def read_flags(overrides: Sequence[str]) -> tuple[Layer, list[Problem]]:
    """Returns the layer of `--set section.key=value`: a TOML value, or otherwise the text itself."""
    layer: Layer = {}
    problems: list[Problem] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        name = _in_section(tuple(path.strip().split(".", 2)))
        if not equals or len(name) < 2:
            problems.append(
                Problem("--set", path if equals else "", "expects section.key=value, such as source.topic=iotin")
            )
            continue
        try:
            document = tomllib.loads(f"value = {text.strip()}")
        except (ValueError, RecursionError):
            document = {}
        # More than one key: the text has a line break and only looks like TOML.
        is_text = document.keys() != {"value"}
        value = text.strip() if is_text else document["value"]
        for entry, part in _entries(name, value):
            layer[entry] = Given(part, Path.cwd(), FLAG, is_text=is_text)
    return layer, problems


def gives(layer: Layer, name: Name) -> bool:
    """Whether the layer has a value for the key, in whatever form."""
    return any(given in (name, _twin(name)) or given[:2] == name for given in layer) if name else False


def over(lower: Mapping[Name, Given], upper: Layer) -> Layer:
    """Returns both layers as one. A key set above hides the key, its entries and its `_file` twin below; entries of
    kafka.librdkafka are merged one by one, source.start comes whole from one layer."""
    hidden = set(upper) | {_twin(name) for name in upper}
    whole = {name[:2] for name in upper if name[:2] == ("source", "start") or len(name) == 2}
    kept = {name: given for name, given in lower.items() if name not in hidden and name[:2] not in whole}
    return kept | upper


def _twin(name: Name) -> Name:
    last = name[-1]
    return (*name[:-1], last.removesuffix("_file") if last.endswith("_file") else f"{last}_file")


def given_twice(layer: Layer) -> Iterator[Name]:
    """Yields the keys that one layer gives both as text and as `…_file`."""
    for name, given in layer.items():
        file = _twin(name)
        if not name[-1].endswith("_file") and file in layer and given.value != "" and layer[file].value != "":
            yield name
