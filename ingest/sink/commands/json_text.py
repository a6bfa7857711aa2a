"""A JSON object member by member, each with its original text. Pure.

A parser that gives only values turns `123456789012345678901234567890` into a double, and `10.00` into 10.0; orjson also
refuses what JSON allows but Python has no number or text for (`1e400`, a lone `\\ud800`). So the standard library's
scanner, which shows where a value ends, walks through the object.
"""

import json
import re
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

MAX_DEPTH: Final = 500
"""Depth of nested arrays and objects. The scanner recurses, and Python stops it at about 1000."""

_WHITE: Final = r"[ \t\n\r]*"
_STRING: Final = r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"'
_BEGIN: Final = re.compile(rf"{_WHITE}\{{{_WHITE}(\}}?)")
_NAME: Final = re.compile(rf"({_STRING}){_WHITE}:{_WHITE}")
_PLAIN: Final = re.compile(rf'"([^"\\\x00-\x1f]*)"{_WHITE}:{_WHITE}("([^"\\\x00-\x1f]*)"){_WHITE}([,}}]){_WHITE}')
"""Name and value without escapes, with what follows: most of what commands have, in a quarter of the time."""
_NEXT: Final = re.compile(rf"{_WHITE}([,}}]){_WHITE}")
_NESTING: Final = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_NUMBER_BEGINS: Final = frozenset("-0123456789")


class NotJson(ValueError):
    """The text is not a JSON object. `str()` is one clause."""


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
    """As from `json`, except that a number is a `Number`; numbers within arrays and objects are strings."""
    text: str
    """The value's slice of the source, without the white space around it."""


def members(text: str) -> list[Member]:
    """Returns all members of the one object in `text`, in order; a name can come twice. Raises NotJson."""
    if _is_deeper(text, MAX_DEPTH):
        raise NotJson(f"its depth is over {MAX_DEPTH}: nest it less deeply, or send the message as a string")
    begin = _BEGIN.match(text)
    if begin is None:
        raise NotJson("it is no object")
    found: list[Member] = []
    at, mark = begin.end(), begin[1]
    while mark != "}":
        if plain := _PLAIN.match(text, at):
            name, written, value, mark = plain.groups()
            found.append(Member(name, value, written))
            at = plain.end()
            continue
        named = _NAME.match(text, at)
        if named is None:
            raise NotJson(f"a name in double quotes, and a colon, are missing at character {at}")
        start = named.end()
        held, end = _value(text, start)
        written = text[start:end]
        found.append(
            Member(str(_value(named[1], 0)[0]), Number(written) if written[0] in _NUMBER_BEGINS else held, written)
        )
        following = _NEXT.match(text, end)
        if following is None:
            raise NotJson(f"a comma or the object's end is missing at character {end}")
        at, mark = following.end(), following[1]
    if text[at:].strip(" \t\n\r"):
        raise NotJson(f"it goes on behind its object, at character {at}: write one record for each command")
    return found


def _value(text: str, start: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotJson("its depth is too much: nest it less deeply, or send the message as a string") from None


def _is_deeper(text: str, limit: int) -> bool:
    """Whether arrays and objects are nested more than `limit` deep."""
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


_DECODER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
