"""Several outputs of a command-line tool, one after another → JSON values and bare lines. Pure."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Final

from ingest.errors import Refused
from ingest.printable import printable

MOST_BYTES: Final = 4 << 20
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WARNING: Final = re.compile(r"(?i)(warning\b|command group |this command )")
_ERROR: Final = re.compile(r"(?i)error\s*:\s*(.*)")
_DECODER: Final = json.JSONDecoder()


class Bare(str):
    """A line of text that is not JSON."""

    __slots__ = ()


def decoded(output: bytes) -> str:
    """Returns the text, from UTF-8 or, as PowerShell redirects it, UTF-16 with a byte order mark. Raises Refused."""
    if len(output) > MOST_BYTES:
        raise Refused(f"more than {MOST_BYTES} bytes were piped in: this is not what was asked for.")
    encoding = next((name for mark, name in _MARKS if output.startswith(mark)), "utf-8")
    try:
        return output.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(
            f"what was piped in is no text in UTF-8 (byte {error.start}): pipe in the output as it is."
        ) from None


def values(text: str) -> Iterator[object]:
    """Returns JSON values as `json` gives them, every other line as Bare; without colours and warnings.

    Raises Refused for an error of the tool, and for truncated JSON.
    """
    text = _COLOUR.sub("", text)
    at = 0
    while at < len(text):
        if text[at].isspace() or text[at] == "\ufeff":
            at += 1
        elif text[at] in '{["':
            try:
                value, at = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                raise Refused(
                    f"the JSON in what was piped in is not whole ({error.msg}, line {error.lineno}): pipe in the whole output."
                ) from None
            except RecursionError:
                raise Refused("the JSON in what was piped in is nested too deeply to be an output of az.") from None
            yield value
        else:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end].strip()
            if failed := _ERROR.match(line):
                raise Refused(f"az has failed: {printable(failed[1])[:300]}")
            if not _WARNING.match(line):
                yield Bare(line)
            at = end
