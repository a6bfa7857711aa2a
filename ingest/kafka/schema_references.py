"""An Avro schema whose types are registered under other subjects → one schema that has them all. Pure.

A registry keeps such a schema as it was written, with the names of foreign types; the reader of a record needs their
definitions.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

_OF_NAMED_TYPES: Final = frozenset(("record", "error", "enum", "fixed"))


def inlined(schema: str, definitions: Mapping[str, str]) -> str:
    """Returns the schema with each foreign type defined where its name comes first. `definitions`: full name → schema.

    All are JSON; what is none, or no schema, stays as it is, for the reader to refuse.
    """
    try:
        return json.dumps(
            _Walk({name: json.loads(text) for name, text in definitions.items()}).through(json.loads(schema))
        )
    except (ValueError, RecursionError):
        return schema


class _Walk:
    """Goes through a schema in the order in which a parser reads it."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._defined: set[str] = set()

    def through(self, schema: Any, namespace: str = "") -> Any:
        match schema:
            case str():
                full = _full(schema, namespace)
                if full in self._defined or full not in self._definitions:
                    return schema
                return self.through(self._definitions[full])
            case list():
                return [self.through(each, namespace) for each in schema]
            case {"type": str() as kind, "name": str() as name} if kind in _OF_NAMED_TYPES:
                return self._named(schema, name, namespace)
            case dict():
                parts = {name: self.through(schema[name], namespace) for name in ("items", "values") if name in schema}
                kind = self.through(schema.get("type"), namespace)
                # "array" and "map" are no names, and stay. A name that stands in a type of its own becomes what it names.
                is_name = isinstance(schema.get("type"), str)
                return kind if is_name and isinstance(kind, dict) else {**schema, "type": kind, **parts}
        return schema

    def _named(self, schema: dict[str, Any], name: str, namespace: str) -> dict[str, Any]:
        own = schema.get("namespace")
        full = _full(name, own if isinstance(own, str) else namespace)
        self._defined.add(full)
        inside = full.rpartition(".")[0]
        found = {**schema, "name": full.rpartition(".")[2], "namespace": inside}
        fields = schema.get("fields")
        if isinstance(fields, list):
            found["fields"] = [
                {**field, "type": self.through(field["type"], inside)}
                if isinstance(field, dict) and "type" in field
                else field
                for field in fields
            ]
        return found


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
