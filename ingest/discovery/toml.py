"""What was found → TOML, alone or merged into a configuration file, whose comments and order stay. Pure."""

import tomllib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import tomlkit
from tomlkit.container import Container, OutOfOrderTableProxy
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from ingest.config import Secret
from ingest.config.layers import dotted
from ingest.discovery.found import Found, Name
from ingest.errors import Refused
from ingest.printable import printable

HIDDEN: Final = "***"

Tables = (Table, InlineTable, Container, OutOfOrderTableProxy)


class Merged(NamedTuple):
    text: str
    changes: tuple[str, ...]
    """One sentence per key that had another value; without secrets."""


def rendered(found: Found, *, hide_secrets: bool) -> str:
    """Returns the settings as a separate file, with the notes as comments."""
    notes = "".join(f"# {printable(note)}\n" for note in found.notes)
    return notes + merged("", found, replace_secrets=True, hide_secrets=hide_secrets, read_secret=lambda _: None).text


def merged(
    text: str,
    found: Found,
    *,
    replace_secrets: bool,
    read_secret: Callable[[str], str | None],
    hide_secrets: bool = False,
) -> Merged:
    """Returns the file `text` with the settings in it.

    `read_secret`: the content of the file that a key `…_file` names, None if it cannot be read. Raises Refused if the
    file is not TOML, or already has a different secret, unless `replace_secrets`.
    """
    try:
        document = tomlkit.parse(text)
        before = tomllib.loads(text)
    except (TOMLKitError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(f"the file is not TOML ({printable(str(error))[:200]}): nothing was written") from None
    changes = []
    for name, value in found.settings.items():
        plain: str | int = (HIDDEN if hide_secrets else value.reveal()) if isinstance(value, Secret) else value
        old = _at(before, name)
        if isinstance(value, Secret):
            twin = (*name[:-1], f"{name[-1]}_file")
            path = _at(before, twin)
            if isinstance(path, str) and path:
                if read_secret(path) == plain:
                    continue
                old = f"the file {path}"
            if old not in (None, "", plain) and not replace_secrets:
                where = dotted(twin) if path else dotted(name)
                raise Refused(
                    f"{where} is set already, to another secret: nothing was written; --replace-secrets replaces it"
                )
            if path is not None:
                _remove(document, twin)
            if old not in (None, "", plain):
                changes.append(f"{dotted(name)} has another secret now.")
        elif old not in (None, plain):
            changes.append(f"{dotted(name)} was {printable(str(old))[:200]} and is {plain} now.")
        if old != plain:
            _put(document, name, plain)
    after = tomlkit.dumps(document)
    _check(after, before, found, read_secret, hide_secrets=hide_secrets)
    return Merged(after, tuple(changes))


def _at(document: Any, name: Name) -> Any:
    """Returns the value of a key; in TOML, unquoted names with dots are nested tables."""
    for depth, part in enumerate(name):
        if not isinstance(document, dict):
            return None
        if part not in document and "." in part:
            return _at(document, (*part.split("."), *name[depth + 1 :]))
        document = document.get(part)
    return document


def _put(document: Any, name: Name, value: str | int) -> None:
    *path, last = name
    table = document
    for part in path:
        if part not in table:
            table[part] = tomlkit.table()
        table = table[part]
        if not isinstance(table, Tables):
            raise Refused(f"{part} in the file is no section: nothing was written")
    parts = last.split(".")
    while last not in table and len(parts) > 1 and isinstance(table.get(parts[0]), Tables):
        table, parts = table[parts[0]], parts[1:]
        last = ".".join(parts)
    table[last] = value


def _remove(document: Any, name: Name) -> None:
    for part in name[:-1]:
        document = document[part]
    document.remove(name[-1])


def _check(
    text: str, before: dict[str, Any], found: Found, read_secret: Callable[[str], str | None], *, hide_secrets: bool
) -> None:
    """Checks the editor's result, as the file holds secrets: it must read as intended, and nothing may be lost."""
    after = tomllib.loads(text)
    for name, value in found.settings.items():
        plain = (HIDDEN if hide_secrets else value.reveal()) if isinstance(value, Secret) else value
        twin = _at(after, (*name[:-1], f"{name[-1]}_file"))
        in_file = isinstance(twin, str) and read_secret(twin) == plain
        if _at(after, name) != plain and not in_file:
            raise Refused(f"{dotted(name)} cannot be put into this file: nothing was written; write it there yourself")
    # Dotted, as in TOML an unquoted name with dots is a table.
    given = {dotted(name) for name in found.settings}
    given |= {f"{name}_file" for name in given}
    leaves = [(name, value) for name, value in _leaves(before) if dotted(name) not in given]
    lost = [name for name, value in leaves if repr(_at(after, name)) != repr(value)]
    if lost:
        raise Refused(f"{dotted(lost[0])} would be lost from this file: nothing was written")


def _leaves(document: dict[str, Any], above: Name = ()) -> list[tuple[Name, Any]]:
    found: list[tuple[Name, Any]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            found += _leaves(value, (*above, name))
        else:
            found.append(((*above, name), value))
    return found
