"""Loads the configuration: joins the layers, types every key, checks keys against each other, reports every problem."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ingest.config import event_hubs, secret_files
from ingest.config.kinds import Librdkafka, SecretText, StartPosition
from ingest.config.layers import (
    FLAG,
    NOTHING_BELOW,
    Below,
    Given,
    Layer,
    Name,
    dotted,
    given_twice,
    gives,
    over,
    read_environment,
    read_file,
    read_flags,
)
from ingest.config.librdkafka import is_secret, librdkafka_setting
from ingest.config.proxies import environment_layer
from ingest.config.rendering import shown_value
from ingest.config.rules import Command, broken_rules
from ingest.config.schema import Config
from ingest.config.sections import KEYS, SECTIONS, holds_secret, with_section
from ingest.config.suggestions import unknown_keys
from ingest.config.values import BadValue, Secret
from ingest.errors import ConfigError, Problem

_PROXY: Final[Name] = ("proxy", "url")


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    overrides: Sequence[str] = (),
    for_command: Command = "run",
    below: Below = NOTHING_BELOW,
) -> Config:
    """Returns the configuration from a TOML file (None: no file), the environment and `section.key=value` overrides, over
    what is `below`.

    `for_command` decides which keys are required. Raises ConfigError with every problem found. Logs a warning if every
    user of the machine can read a file with secrets.
    """
    file, problems = read_file(path) if path is not None else ({}, [])
    if problems:
        raise ConfigError(problems)
    flags, problems = read_flags(overrides)
    given: Layer = {}
    for layer in (file, read_environment(environ), flags):
        for name in given_twice(layer):
            problems.append(Problem(dotted(name), "***", f"given twice, also as {name[-1]}_file: keep one"))
        given = over(given, layer)
    open_problems = [(name, problem) for name, problem in below.problems if not gives(given, name)]
    merged = over(below.layer, given)
    if _PROXY not in merged or merged[_PROXY].value == "":
        merged.pop(_PROXY, None)
        merged = over(environment_layer(environ), merged)
    reader = _Reader(merged, environ)
    config = Config(path=path)
    for section in SECTIONS:
        config = with_section(config, section, reader.section(section))
    if ("kafka", "bootstrap_servers") not in merged:
        config = event_hubs.with_servers(config)
    problems += unknown_keys(reader.left) + reader.problems
    bad = {problem.key.removesuffix("_file") for problem in problems} | {dotted(name) for name, _ in open_problems}
    problems += [*(problem for _, problem in open_problems), *broken_rules(config, for_command, bad, environ)]
    if problems:
        raise ConfigError(problems)
    if path is not None and any(holds_secret(name) and given.value != "" for name, given in file.items()):
        secret_files.warn_if_open(path)
    return config


class _Reader:
    """Takes the values of the merged layers key by key. Afterwards `left` holds the values without a key."""

    def __init__(self, layer: Layer, environ: Mapping[str, str]) -> None:
        self.left = dict(layer)
        self.problems: list[Problem] = []
        self._environ = environ

    def section(self, section: str) -> dict[str, Any]:
        """Returns the arguments for one section's class: its keys with a correct value."""
        values: dict[str, Any] = {}
        for key, known in KEYS[section].items():
            name, kind = (section, key), known.kind
            if isinstance(kind, Librdkafka):
                values[key] = self._librdkafka(name)
            given = self._take(name, secret=isinstance(kind, SecretText))
            if given is None and isinstance(kind, StartPosition):
                given = self._table(name)
            if given is None:
                continue
            with self._reporting(name, given):
                raw = kind.from_text(given.value) if given.is_text and isinstance(given.value, str) else given.value
                values[key] = kind.read(raw, given.base)
        return values

    def _librdkafka(self, table: Name) -> dict[str, str | Secret]:
        settings: dict[str, str | Secret] = {}
        written = [name for name in self.left if name[:2] == table and len(name) == 3]
        for name in dict.fromkeys((*table, name[2].removesuffix("_file")) for name in written):
            given = self._take(name, secret=is_secret(name[2]))
            if given is not None:
                with self._reporting(name, given):
                    settings[name[2]] = librdkafka_setting(name[2], given.value)
        return settings

    def _table(self, table: Name) -> Given | None:
        entries = {name[2]: self.left.pop(name) for name in list(self.left) if name[:2] == table and len(name) == 3}
        if not entries:
            return None
        first = next(iter(entries.values()))
        return Given({key: entry.value for key, entry in entries.items()}, first.base, first.origin)

    def _take(self, name: Name, *, secret: bool) -> Given | None:
        """Returns the key's value; reads a secret also from the file that `…_file` names."""
        given = self.left.pop(name, None)
        if not secret:
            return given
        if given is not None and given.origin == FLAG:
            in_flag = "would be visible in the process list: use the environment, or a file and "
            self._problem(name, given, f"{in_flag}--set {dotted(name)}_file=PATH")
            return None
        in_file = (*name[:-1], f"{name[-1]}_file")
        file = self.left.pop(in_file, None)
        if file is None or file.value == "" or (given is not None and given.value != ""):
            return given
        with self._reporting(in_file, file):
            path = secret_files.find(file.value, file.base, self._environ)
            return Given(secret_files.read(path), file.base, f"read from {path}")
        return None

    @contextmanager
    def _reporting(self, name: Name, given: Given) -> Iterator[None]:
        try:
            yield
        except BadValue as error:
            self._problem(name, given, str(error))

    def _problem(self, name: Name, given: Given, fix: str) -> None:
        shown = "***" if holds_secret(name) else shown_value(given.value)
        self.problems.append(Problem(dotted(name), shown, f"{fix} ({given.origin})" if given.origin else fix))
