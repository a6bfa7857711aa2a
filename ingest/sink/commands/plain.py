"""A record that is one JSON object of strings without escapes, as most commands are, in a fifth of the time. Pure.

`json_text` says what orjson loses of JSON: numbers as they are written, names that come twice. Such an object has no
number, and a name that comes twice has more quotes than what is left of it.
"""

from typing import Final

import orjson

from ingest.sink.commands.field_names import KEYS

Plain = dict[str, str | dict[str, str]]

_KEYS: Final = frozenset(KEYS)
_MEMBER_QUOTES: Final = 4
"""Of a name and its string."""
_NAME_QUOTES: Final = 2


def plain_fields(value: bytes) -> Plain | None:
    """Returns a command's fields by name, all strings, but `properties`, an object of strings. None for any other
    value, which `json_text` reads, or says what is wrong with it."""
    if b"\\" in value or not value.startswith(b"{"):
        return None
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if type(found) is not dict or not found.keys() <= _KEYS:
        return None
    quotes = _MEMBER_QUOTES * len(found)
    for name, held in found.items():
        if type(held) is str:
            continue
        if name != "properties" or type(held) is not dict or not all(type(each) is str for each in held.values()):
            return None
        quotes += _MEMBER_QUOTES * len(held) - (_MEMBER_QUOTES - _NAME_QUOTES)
    return found if value.count(b'"') == quotes else None
