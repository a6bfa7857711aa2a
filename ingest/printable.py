"""Makes text from outside, such as a hub's error or a device id, safe for one line of a terminal, log or page. Pure.

A terminal obeys escape sequences anywhere, a line break begins a line that looks like one of ours, and direction marks
(Unicode UAX #9) show text in the wrong order.
"""

import re
from typing import Final

_UNFIT: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # C0, DEL, C1: includes line breaks, ESC, CSI and OSC
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"  # direction marks
    "\\u2028\\u2029"  # Unicode line breaks
    "\\ud800-\\udfff]"  # lone surrogates, which no output can contain
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """Returns the text with every such character in Python's notation: `\\n`, `\\x1b`, `\\u202e`. Keeps backslashes."""
    return _UNFIT.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Does the same for several lines, keeping their line breaks; indents all but the first by two blanks."""
    return "\n  ".join(map(printable, text.expandtabs(4).split("\n")))


def _escaped(match: "re.Match[str]") -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
