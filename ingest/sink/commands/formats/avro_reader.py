"""Avro's binary encoding, read with the schema that it was written with. Pure.

fastavro does the reading: the deserializer of confluent-kafka is the same reader below its own HTTP stack and cache
(httpx, authlib, attrs, cachetools), which would ask the registry in the middle of the loop. What fastavro does not
bound is bounded here, by limits for schemas: it recurses in C, and an array of values without bytes has as many as its
count says.
"""

import io
import json
from collections.abc import Mapping
from typing import Any, Final

MOST_DEPTH: Final = 50
"""Depth of nested types."""
MOST_TYPES: Final = 10_000
_WIDTHS: Final = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}
"""The fewest bytes of a value."""


class BadSchema(ValueError):
    """`str()` is a clause."""


class BadBody(ValueError):
    """`str()` is a clause."""


def prepared(text: str) -> object:
    """Returns a schema's JSON text in the form that `read` takes. Raises BadSchema.

    Logical types are dropped: a date is its number, a UUID its text, as they were written.
    """
    import fastavro

    try:
        schema = json.loads(text, object_hook=_without_logical_type)
    except (ValueError, RecursionError) as error:
        raise BadSchema(f"it is not JSON ({str(error)[:100]})") from None
    _Bounds().width(schema)
    try:
        return fastavro.parse_schema(schema)
    except Exception as error:  # whatever it raises for a registered schema
        raise BadSchema(f"{type(error).__name__}: {str(error)[:200]}") from None


def read(body: bytes, schema: Any) -> object:
    """Returns the value at the beginning of `body`; what follows is ignored, as in Java's reader. Raises BadBody."""
    import fastavro

    try:
        return fastavro.schemaless_reader(io.BytesIO(body), schema, None)
    except Exception as error:  # EOFError, UnicodeDecodeError, IndexError and others, depending on the bytes
        raise BadBody(f"{type(error).__name__}: {str(error)[:100]}") from None


def kind_of(schema: Any) -> str:
    """Returns the name of the schema's type: `record`, `string`, `map`, `union`."""
    if isinstance(schema, list):
        return "union"
    return str(schema.get("type")) if isinstance(schema, Mapping) else str(schema)


class _Bounds:
    """Walks through a schema; named types are known from their definition on."""

    def __init__(self) -> None:
        self._widths: dict[str, int] = {}
        self._open: set[str] = set()
        self._types = 0

    def width(self, schema: object, namespace: str = "", depth: int = 0) -> int:
        """Returns the fewest bytes of a value. Raises BadSchema if the schema must not be used."""
        self._types += 1
        if depth > MOST_DEPTH or self._types > MOST_TYPES:
            raise BadSchema(f"it has more than {MOST_DEPTH} types within each other, or {MOST_TYPES} in all")
        space = schema.get("namespace") if isinstance(schema, dict) else None
        own = space if isinstance(space, str) else ""
        match schema:
            case str():
                return self._named(schema, namespace)
            case list():
                return 1 + min((self.width(each, namespace, depth + 1) for each in schema), default=0)
            case {"type": "record" | "error", "name": str() as name, "fields": list() as fields}:
                return self._record(name, own, fields, namespace, depth)
            case {"type": "enum", "name": str() as name}:
                return self._define(_full(name, own or namespace), 1)
            case {"type": "fixed", "name": str() as name, "size": int() as size} if size >= 0:
                return self._define(_full(name, own or namespace), size)
            case {"type": "array", "items": items}:
                if self.width(items, namespace, depth + 1) == 0:
                    raise BadSchema(
                        "it has an array of values without any byte, of which a few bytes can hold billions"
                    )
                return 1
            case {"type": "map", "values": entries}:
                self.width(entries, namespace, depth + 1)
                return 1
            case {"type": (str() | list() | dict()) as inner}:
                return self.width(inner, namespace, depth + 1)
            case _:
                raise BadSchema("a part of it is no type")

    def _record(self, name: str, own: str, fields: list[object], namespace: str, depth: int) -> int:
        full = _full(name, own or namespace)
        inside = full.rpartition(".")[0]
        self._open.add(full)
        width = 0
        for field in fields:
            if not isinstance(field, dict) or "type" not in field:
                raise BadSchema(f"the record {full[:100]!r} has a field without a type")
            width += self.width(field["type"], inside, depth + 1)
        self._open.discard(full)
        return self._define(full, width)

    def _define(self, full: str, width: int) -> int:
        self._widths[full] = width
        return width

    def _named(self, name: str, namespace: str) -> int:
        if name in _WIDTHS:
            return _WIDTHS[name]
        full = _full(name, namespace)
        if full in self._open:
            raise BadSchema(f"the type {full[:100]!r} is within itself, and so as deep as its writer likes")
        if full not in self._widths:
            raise BadSchema(f"the type {full[:100]!r} is not defined in it: register the schema with all its types")
        return self._widths[full]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _without_logical_type(found: dict[str, object]) -> dict[str, object]:
    if isinstance(found.get("type"), str | list | dict):
        found.pop("logicalType", None)
    return found
