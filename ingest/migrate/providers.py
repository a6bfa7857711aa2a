"""Values that a worker takes from elsewhere: `${PROVIDER:PATH:KEY}`, as Kafka's ConfigTransformer reads it (KIP-297).

Kafka's own providers are known: files of properties, files of a folder, the environment. A reference to a provider that
the worker does not name, or to a missing key, stays as it is, as in Kafka.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ingest.config.values import BadValue
from ingest.errors import ConfigError
from ingest.migrate.java_values import items, trimmed

_REFERENCE: Final = re.compile(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}")
_KAFKAS: Final = "org.apache.kafka.common.config.provider."
ReadProperties = Callable[[Path], Mapping[str, str]]
"""Returns the properties of a file. Raises ConfigError."""


class Providers:
    """The providers of one worker."""

    def __init__(self, worker: Mapping[str, str], environ: Mapping[str, str], read: ReadProperties) -> None:
        names = items(worker.get("config.providers", ""))
        self._classes = {name: trimmed(worker.get(f"config.providers.{name}.class", "")) for name in names}
        self._environ = environ
        self._read = read

    def resolved(self, text: str) -> str:
        """Returns the text with its references replaced. Raises BadValue if one cannot be read."""
        return _REFERENCE.sub(self._value, text) if self._classes else text

    def _value(self, match: re.Match[str]) -> str:
        name, path, key = match[1], match[2] or "", match[3]
        kind = self._classes.get(name)
        if kind is None:
            return match[0]
        match kind.removeprefix(_KAFKAS):
            case "FileConfigProvider":
                try:
                    return self._read(Path(path)).get(key, match[0])
                except ConfigError as bad:
                    raise BadValue(f"takes its value from another file: {bad}") from None
            case "DirectoryConfigProvider":
                return _content(Path(path), key, match[0])
            case "EnvVarConfigProvider":
                return self._environ.get(key, match[0])
        raise BadValue(f"takes its value from {kind}, which is a class of Java: write the value itself")


def _content(folder: Path, name: str, otherwise: str) -> str:
    # A name leads only to a file in the folder, as in Kafka.
    if "/" in name or name in ("", ".", ".."):
        return otherwise
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return otherwise
    except (OSError, UnicodeDecodeError) as failed:
        raise BadValue(f"takes its value from {folder / name}, which cannot be read: {failed}") from None
