"""A JSON object member by member, each with its text as it was written. Pure.

A parser that gives values alone makes a double of `123456789012345678901234567890`, and 10.0 of `10.00`; orjson also
refuses what JSON allows and Python has no number or text for (`1e400`, a lone `\\ud800`). So the standard library's
scanner, which tells where a value ends, walks through the object.
"""

import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

MAX_DEPTH: Final = 500
"""Arrays and objects within each other. The scanner recurses, and Python ends it at about 1000."""

_WHITE: Final = re.compile(r"[ \t\n\r]*")
_NESTING: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


class NotJson(ValueError):
    """The text is no JSON object. `str()` is one clause."""


@dataclass(frozen=True, slots=True, repr=False)
class Number:
    """A JSON number, as written."""

    text: str

    def __repr__(self) -> str:
        return self.text


class Member(NamedTuple):
    """One name and value of an object."""

    name: str
    value: object
    """As `json` gives it, but for each number a `Number`."""
    text: str
    """The value's slice of the source, without the white space around it."""


def members(text: str) -> list[Member]:
    """All members of the one object that `text` is, in its order; a name may be there twice. Raises NotJson."""
    if _is_deeper(text, MAX_DEPTH):
        raise NotJson(f"its depth is over {MAX_DEPTH}: nest it less deeply, or send the message as a string")
    at = _expect(text, 0, "{")
    found: list[Member] = []
    end = _skip(text, at)
    if text[end : end + 1] != "}":
        while True:
            if text[end : end + 1] != '"':
                raise NotJson(f"a name in double quotes is missing at character {end}")
            name, end = _value(text, end)
            start = _skip(text, _expect(text, end, ":"))
            value, end = _value(text, start)
            found.append(Member(str(name), value, text[start:end]))
            end = _skip(text, end)
            if text[end : end + 1] == "}":
                break
            end = _skip(text, _expect(text, end, ","))
    if (end := _skip(text, end + 1)) != len(text):
        raise NotJson(f"it goes on behind its object, at character {end}: write one record for each command")
    return found


def _skip(text: str, at: int) -> int:
    white = _WHITE.match(text, at)
    return white.end() if white is not None else at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise NotJson(f"{mark} is missing at character {at}")
    return at + 1


def _value(text: str, start: int) -> tuple[object, int]:
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotJson("its depth is too much: nest it less deeply, or send the message as a string") from None
    return value, end


def _is_deeper(text: str, limit: int) -> bool:
    """Whether arrays and objects stand more than `limit` deep in each other."""
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for token in _NESTING.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth > limit:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse_constant)
