"""Text from outside, such as a hub's error or a device id, made fit for one line of a terminal, a log or a page. Pure.

A terminal obeys escape sequences wherever they stand, a line break begins a line that looks like one of ours, and marks of
direction (Unicode UAX #9) show text in another order than it has.
"""

import re
from typing import Final

_UNFIT: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # C0, DEL, C1: among them line breaks, ESC, CSI and OSC
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"  # marks of direction
    "\\u2028\\u2029"  # line breaks of Unicode
    "\\ud800-\\udfff]"  # lone surrogates, which no output takes
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """The text with every such character as Python would write it: `\\n`, `\\x1b`, `\\u202e`. A backslash stays one."""
    return _UNFIT.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose line breaks stay; every line but the first is set in by two blanks."""
    return "\n  ".join(map(printable, text.expandtabs(4).split("\n")))


def _escaped(match: "re.Match[str]") -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
