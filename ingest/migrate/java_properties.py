"""Files of java.util.Properties, read as Java reads them: the rules of `Properties.load(InputStream)`. Pure.

The bytes are ISO 8859-1 whatever an editor has written, so a byte order mark belongs to the first key; other characters
are written as `\\uXXXX`, with both halves of a surrogate pair.
"""

from collections.abc import Iterator
from typing import Final

_WHITE: Final = " \t\f"
_SEPARATORS: Final = "=:"
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_ESCAPED: Final = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}


class BadEscape(ValueError):
    """The file has `\\u` without four hexadecimal digits; `line` is the number of its line, from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(
            f"line {line}: {text} is not \\u and four hexadecimal digits; for a backslash itself write two of them"
        )


def parse(content: bytes) -> dict[str, str]:
    """Returns name → value, in the order of first appearance; for a repeated name, the last value. Half a surrogate
    pair stays as it is. Raises BadEscape."""
    found: dict[str, str] = {}
    for line, text in _logical_lines(content.decode("latin-1")):
        name_end, value_start = _split(text)
        found[_unescaped(text[:name_end], line)] = _unescaped(text[value_start:], line)
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Returns (number of its first line, text): without comments, blank lines and leading white space, continued lines
    joined.

    The first character of a logical line marks a comment; it can be on the second line if the first is only the
    backslash that continues it.
    """
    kept: list[str] = []
    number = first = 1
    at, end = 0, len(text)
    skips_white, just_joined, escaped = True, False, False
    while at < end:
        character = text[at]
        at += 1
        ends_line, ends_file = character in "\r\n", at == end
        if ends_line and character == "\r" and text.startswith("\n", at):
            at += 1
        here = number
        number += ends_line
        if skips_white:
            if character in _WHITE or (ends_line and not just_joined):
                continue
            skips_white = just_joined = False
        if not kept:
            first = here
            if character in "#!":
                while at < end and text[at] not in "\r\n":
                    at += 1
                skips_white = True
                continue
        if not ends_line:
            kept.append(character)
            escaped = character == "\\" and not escaped
        elif not kept:
            skips_white = True
        elif escaped and not ends_file:
            kept.pop()
            skips_white, just_joined, escaped = True, True, False
        elif not escaped:
            yield first, "".join(kept)
            kept, skips_white = [], True
    if escaped:
        kept.pop()
    # A line that is only a backslash at the end of the file becomes empty, and that is a property, too.
    if kept or escaped:
        yield first, "".join(kept)


def _split(text: str) -> tuple[int, int]:
    """Returns where the name ends, and where the value begins."""
    escaped, end = False, len(text)
    for at, character in enumerate(text):
        if not escaped and character in _WHITE + _SEPARATORS:
            end = at
            break
        escaped = character == "\\" and not escaped
    value, separated = end, False
    while value < len(text) and (text[value] in _WHITE or (not separated and text[value] in _SEPARATORS)):
        separated = separated or text[value] in _SEPARATORS
        value += 1
    return end, value


def _unescaped(text: str, line: int) -> str:
    if "\\" not in text:
        return text
    made: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character != "\\":
            made.append(character)
            continue
        character = text[at : at + 1]
        at += 1
        if character != "u":
            made.append(_ESCAPED.get(character, character))
            continue
        digits = text[at : at + 4]
        if len(digits) != 4 or not _HEX.issuperset(digits):
            raise BadEscape(line, f"\\u{digits}")
        made.append(chr(int(digits, 16)))
        at += 4
    # Two adjacent halves are one character, as in Java.
    return "".join(made).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
