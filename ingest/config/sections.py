"""Every section and key of the schema by its name, for those who read, write or explain a configuration."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import reduce
from typing import Any, Final, get_args, get_type_hints

from ingest.config.cluster import Cluster
from ingest.config.identity import Identity
from ingest.config.keys import KEY, Key
from ingest.config.kinds import Choice, SecretText
from ingest.config.librdkafka import is_secret
from ingest.config.schema import (
    Checkpoints,
    Config,
    Hub,
    Kafka,
    Metrics,
    Proxy,
    SchemaRegistry,
    Service,
    Sink,
)
from ingest.config.source import Source


def _keys(section: type[Any]) -> Mapping[str, Key]:
    hints = get_type_hints(section)
    found: dict[str, Key] = {}
    for each in fields(section):
        declared: Key | None = each.metadata.get(KEY)
        if declared is None:  # a section within it
            continue
        kind = declared.kind
        if isinstance(kind, Choice) and not kind.words:
            declared = replace(declared, kind=replace(kind, words=get_args(hints[each.name])))
        found[each.name] = declared
    return found


SECTIONS: Final[Mapping[str, type[Any]]] = {
    "hub": Hub,
    "identity": Identity,
    "proxy": Proxy,
    "source": Source,
    "checkpoints": Checkpoints,
    "cluster": Cluster,
    "kafka": Kafka,
    "kafka.schema_registry": SchemaRegistry,
    "sink": Sink,
    "metrics": Metrics,
    "service": Service,
}
KEYS: Final[Mapping[str, Mapping[str, Key]]] = {section: _keys(kind) for section, kind in SECTIONS.items()}
"""Section → key → its declaration, in the order of the file."""


def section_of(config: Config, section: str) -> Any:
    """One of `SECTIONS`: an object of its class."""
    return reduce(getattr, section.split("."), config)


def with_section(config: Config, section: str, values: Mapping[str, Any]) -> Config:
    """The configuration with these keys of one of `SECTIONS`; others stay as they are."""
    outer, _, inner = section.partition(".")
    if inner:
        values = {inner: replace(section_of(config, section), **values)}
    return replace(config, **{outer: replace(getattr(config, outer), **values)})


def key_of(name: tuple[str, ...]) -> Key | None:
    """The declaration of the key (section, key); None when there is none."""
    return KEYS.get(name[0], {}).get(name[1]) if len(name) == 2 else None


def holds_secret(name: tuple[str, ...]) -> bool:
    """Whether the key's own value is a secret; that of a key `…_file` is only a path."""
    if name[:2] == ("kafka", "librdkafka") and len(name) == 3:
        return is_secret(name[2]) and not name[2].endswith("_file")
    declared = key_of(name)
    return declared is not None and isinstance(declared.kind, SecretText)


def names_secret_file(name: tuple[str, ...]) -> bool:
    """Whether the key's value is the path of a file with a secret."""
    return name[-1].endswith("_file") and holds_secret((*name[:-1], name[-1].removesuffix("_file")))
