"""How a key of the configuration is declared: one field of a section's class, with its kind and its text for the user."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from ingest.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key: how to read it, and its text for the user."""

    kind: Kind
    doc: str
    commented_example: str = ""
    """Shown commented out in the example file, for a key that has no default."""


KEY: Final = "key"
"""Where the metadata of a field has its `Key`."""
_Value = TypeVar("_Value")


def key(default: _Value, kind: Kind, doc: str, commented_example: str = "") -> _Value:
    """A field of a section. The words of a `Choice` are those of the field's type, a `Literal`, unless it has its own."""
    made: Any = field(default=default, metadata={KEY: Key(kind, doc, commented_example)})
    return made  # type: ignore[no-any-return]  # to a type checker it is its value
