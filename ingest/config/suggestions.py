"""Suggestions for keys that do not exist."""

import difflib
from collections.abc import Mapping
from typing import Final

from ingest.config.layers import Given, Name, dotted
from ingest.config.sections import KEYS
from ingest.errors import Problem

_SECTIONS_OF: Final[Mapping[str, list[str]]] = {
    key: [section for section, keys in KEYS.items() if key in keys] for declared in KEYS.values() for key in declared
}


def unknown_keys(left: Mapping[Name, Given]) -> list[Problem]:
    """Returns one problem per unknown key or section, without values: a misspelt key can contain a secret."""
    problems: dict[Name, Problem] = {}
    for name, given in left.items():
        if name[0] not in KEYS:
            problems.setdefault(name[:1], _problem(name[:1], _section_fix(name[0]), given))
        elif len(name) > 1:
            problems[name] = _problem(name, _key_fix(name), given)
        elif not isinstance(given.value, dict):
            problems[name] = _problem(name, f"is a section: write [{name[0]}] and its keys below", given)
    return list(problems.values())


def _problem(name: Name, fix: str, given: Given) -> Problem:
    return Problem(dotted(name), "", f"{fix} ({given.origin})" if given.origin else fix)


def _section_fix(section: str) -> str:
    near = difflib.get_close_matches(section, KEYS, n=1)
    if near:
        return f"unknown section; did you mean [{near[0]}]?"
    if section in _SECTIONS_OF:
        return f"unknown section; did you mean the key {_SECTIONS_OF[section][0]}.{section}?"
    return "unknown section; the sections are " + ", ".join(KEYS)


def _key_fix(name: Name) -> str:
    section, key = name[0], name[1]
    if f"{section}.{key}" in KEYS:
        return f"is a section: write [{section}.{key}] and its keys below"
    within = [other.removeprefix(f"{section}.") for other in KEYS if other.startswith(f"{section}.")]
    known = [*KEYS[section], *within]
    if len(name) > 2 and key in known:
        return f"{section}.{key} is not a table; write {section}.{key} itself"
    near = difflib.get_close_matches(key, known, n=1) or difflib.get_close_matches(
        key.removesuffix("_file"), known, n=1
    )
    if near and key == f"{near[0]}_file":
        return f"unknown key; only a secret can be in a file of its own: write {section}.{near[0]}"
    if near:
        return f"unknown key; did you mean {section}.{near[0]}?"
    if key in _SECTIONS_OF:
        return "unknown key; did you mean " + " or ".join(f"{other}.{key}" for other in _SECTIONS_OF[key]) + "?"
    return f"unknown key; [{section}] has {', '.join(known)}"
