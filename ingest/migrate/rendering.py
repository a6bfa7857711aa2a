"""A translation as TOML: each key with the property that it comes from, secrets in separate files. Pure."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.config.example import CREDENTIALS, KAFKA_PASSWORD
from ingest.config.layers import Name
from ingest.config.rendering import toml_value
from ingest.config.sections import SECTIONS
from ingest.config.values import Secret
from ingest.migrate.translation import LIBRDKAFKA, STORE, Setting, Translation
from ingest.printable import printable

_WIDTH: Final = 110
_CHECKPOINTS: Final = Setting(
    STORE,
    "file",
    "",
    'A folder of this machine, path = "/var/lib/ingest/checkpoints". For Azure Blob Storage write "blob", and '
    "blob_connection_string_file.",
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is written."""

    toml: str
    secrets: Mapping[str, Secret]
    """Name of a file beside the TOML file → its secret."""


def render(translation: Translation, files: Sequence[str]) -> Rendered:
    """`files`: names of the files that were read."""
    secrets: dict[str, Secret] = {}
    lines = _comment(f"Made by `ingest migrate` of {', '.join(files)}.")
    settings = [*translation.settings, *([_CHECKPOINTS] if translation.event_hub else [])]
    for section in SECTIONS:
        own = [each for each in settings if each.name[0] == section]
        remarks = [sentence for where, sentence in translation.remarks if where == section]
        if own or remarks:
            lines += ["", f"[{section}]"]
            lines += [line for sentence in dict.fromkeys(remarks) for line in _comment(sentence)]
            lines += [line for each in own if len(each.name) == 2 for line in _key(each, secrets)]
            entries = [each for each in own if len(each.name) == 3]
            for table in dict.fromkeys(each.name[:2] for each in entries):
                lines += ["", f"[{'.'.join(table)}]"]
                lines += [line for each in entries if each.name[:2] == table for line in _key(each, secrets)]
    return Rendered("\n".join(lines) + "\n", secrets)


def _key(setting: Setting, secrets: dict[str, Secret]) -> list[str]:
    name, value, origin, remark = setting
    lines = _comment(". ".join(filter(None, (origin, remark))))
    last = name[-1] if len(name) == 2 else toml_value(name[-1])
    if isinstance(value, Secret):
        file = _file_of(name)
        secrets[file] = value
        last, value = (f"{name[-1]}_file" if len(name) == 2 else toml_value(f"{name[-1]}_file")), file
    return [*lines, f"{last} = {toml_value(value)}"]


def _file_of(name: Name) -> str:
    """Returns the file name with which the units load it (systemd.exec(5), LoadCredential=), if they do."""
    if name == (*LIBRDKAFKA, "sasl.password"):
        return KAFKA_PASSWORD
    return CREDENTIALS.get(name[:2], f"{name[0]}-{name[-1].replace('.', '-').replace('_', '-')}")


def _comment(text: str) -> list[str]:
    return [
        f"# {line}" for line in textwrap.wrap(printable(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    ]
