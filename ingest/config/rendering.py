"""Values and whole configurations as TOML text: the example file, the effective configuration, values in errors."""

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Final

from ingest.config.kinds import Librdkafka
from ingest.config.schema import Config
from ingest.config.sections import KEYS, SECTIONS, section_of
from ingest.config.values import At, Earliest, Latest, Offsets, Secret, looks_secret, without_user

_LONGEST: Final = 100
_LIBRDKAFKA_EXAMPLE: Final = (
    '"security.protocol" = "sasl_ssl"',
    '"sasl.mechanism" = "PLAIN"',
    '"sasl.username" = "ingest"',
    '"sasl.password_file" = "/etc/ingest/kafka-password"',
    '"compression.type" = "lz4"',
)
_HEADER: Final = """\
# Configuration of ingest. Every key is shown with its default; a key may be left out.
# The environment overrides the file: INGEST__SOURCE__TOPIC=…, lists with commas, and for a librdkafka setting
# INGEST__KAFKA__LIBRDKAFKA__COMPRESSION_TYPE=… ; --set source.topic=… overrides both.
# A secret can be in a file of its own: KEY_file = "path", relative to this file; under systemd the bare name of a
# credential (LoadCredential=) is enough.
"""


def shown_value(value: object) -> str:
    """Returns a value for an error message: as TOML, shortened if long, `***` if it seems to contain a secret."""
    text = toml_value(value)
    if looks_secret(text) or _holds_a_key(value):
        return "***"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def example_toml() -> str:
    """Returns a configuration file with every key, its meaning and its default. It parses to the defaults."""
    lines = [_HEADER]
    for section, kind in SECTIONS.items():
        lines.append(f"# {kind.__doc__}\n[{section}]")
        defaults = kind()
        for name, key in KEYS[section].items():
            doc = f"{key.doc} ({key.kind.allowed})" if key.kind.allowed else key.doc
            lines += [f"# {line}" for line in doc.splitlines()]
            if isinstance(key.kind, Librdkafka):
                lines += [f"[{section}.{name}]", *(f"# {line}" for line in _LIBRDKAFKA_EXAMPLE)]
            elif key.commented_example:
                lines.append(f"# {name} = {key.commented_example}")
            else:
                lines.append(f"{name} = {toml_value(getattr(defaults, name))}")
        lines.append("")
    return "\n".join(lines)


def effective_toml(config: Config) -> str:
    """Returns the configuration in force, as TOML; a secret that is set is `"***"`."""
    lines: list[str] = []
    for section, keys in KEYS.items():
        lines.append(f"[{section}]")
        tables: list[str] = []
        for name, key in keys.items():
            value = getattr(section_of(config, section), name)
            if isinstance(value, Mapping | Offsets):
                entries = value.by_partition if isinstance(value, Offsets) else value
                tables.append(f"[{section}.{name}]")
                tables += [f"{toml_value(entry)} = {_shown_setting(entries[entry])}" for entry in entries]
            elif value is not None or not key.commented_example:
                lines.append(f"{name} = {toml_value(value)}")
        lines += [*tables, ""]
    return "\n".join(lines)


def _holds_a_key(value: object) -> bool:
    match value:
        case str():
            return looks_secret(value)
        case Mapping():
            return any(map(_holds_a_key, value.values()))
        case list() | tuple():
            return any(map(_holds_a_key, value))
        case _:
            return False


def _shown_setting(value: object) -> str:
    """Returns one of librdkafka's settings as TOML. A URL can contain the password of a proxy or a token endpoint."""
    return toml_value(without_user(value) if isinstance(value, str) else value)


def toml_value(value: object) -> str:
    """The value in TOML's notation; a secret is `"***"`."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >> 64:
            return hex(value)  # Python writes no number of thousands of digits in decimals
        case int() | float():
            return repr(value)
        case None:
            return '""'
        case Earliest():
            return '"earliest"'
        case Latest():
            return '"latest"'
        case At():
            return toml_value(value.time.isoformat())
        case Secret():
            return '"***"' if value else '""'
        case date() | time():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(f"{toml_value(key)} = {toml_value(entry)}" for key, entry in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case _:
            # TOML has JSON's escapes; JSON does not escape DEL, but TOML forbids it.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
