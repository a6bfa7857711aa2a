"""AMQP values → JSON values, each distinguishable from every other. Pure.

What JSON has is written as JSON: null, booleans, numbers, text, lists, and maps whose keys are text. Anything else
becomes an object with one member that names its type, such as `{"$binary":"/wA="}`. Only different AMQP encodings of
one value become the same: the widths of numbers, strings and symbols, lists and arrays. docs/records.md has the table.
"""

import base64
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, TypeGuard

import orjson

from ingest.amqp.decimals import to_decimal
from ingest.amqp.types import Binary, Char, Decimal32, Decimal64, Decimal128, Described, Float, Pairs, Timestamp

MARK = "$"
_ESCAPED = re.compile(rb"%(?=[0-9A-Fa-f]{2})|^%(?=:)|\0")
_INVALID = re.compile("[\udc80-\udcff]")
"""What Python's error handler `surrogateescape` makes of bytes that are not UTF-8."""


def plain(value: Any) -> Any:
    """Returns an AMQP value, text as bytes, as JSON: None, bool, int of 64 bits, finite float, str, list or dict.

    A float of 32 bits stays a `Float`, so that Java's text of it can be told from a double's; `json_of` writes both.
    """
    kind = type(value)
    if kind is bytes:  # what nearly all are
        return plain_text(value)
    if value is None or kind is bool or kind is str:
        return value
    match value:
        case Binary():
            return _marked("binary", encode_base64(value))
        case Decimal32() | Decimal64() | Decimal128():
            return _marked("decimal", str(to_decimal(value)))
        case Timestamp():
            return plain_time(value)
        case int():
            return int(value) if -(1 << 63) <= value < 1 << 64 else _marked("integer", str(int(value)))
        case float():
            if not math.isfinite(value):
                return _marked("double", _NOT_FINITE.get(value, "NaN"))
            return value if kind is Float else float(value)
        case Char():
            return _marked("char", str(value))
        case uuid.UUID():
            return _marked("uuid", str(value))
        case Described():
            return _marked("described", [plain(value.descriptor), plain(value.value)])
        case Mapping():
            return _map(list(value.items()))
        case Pairs():
            return _map(value)
        case list():
            return [plain(item) for item in value]
    raise TypeError(f"{kind.__name__} is no type of AMQP values")


def json_of(value: Any) -> bytes:
    """Returns what `plain` makes as JSON. Raises orjson.JSONEncodeError for anything else."""
    return orjson.dumps(value, default=_number)


def _number(value: Any) -> float:
    if type(value) is Float:
        return float(value)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def plain_text(value: bytes) -> Any:
    """Returns a string or symbol as `plain` does."""
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return _marked("string", encode_base64(value))


def plain_time(milliseconds: int) -> dict[str, int]:
    """Returns a timestamp, Unix milliseconds, as `plain` does."""
    return {MARK + "timestamp": int(milliseconds)}


_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _marked(kind: str, value: Any) -> dict[str, Any]:
    return {MARK + kind: value}


def _map(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Returns an object; its pairs if a key is not text or comes twice, or if it would look like a marked value."""
    plain_pairs = [(plain(key), plain(item)) for key, item in pairs]
    members = {key: item for key, item in plain_pairs if isinstance(key, str)}
    if len(members) < len(pairs) or (len(members) == 1 and next(iter(members)).startswith(MARK)):
        return _marked("map", [list(pair) for pair in plain_pairs])
    return members


def is_text(value: Any) -> TypeGuard[bytes]:
    """Whether an AMQP value, text as bytes, is a string or symbol in its encoding."""
    return type(value) is bytes and text_or_none(value) is not None


def text_or_none(value: bytes) -> str | None:
    """Returns the text; None if it is not UTF-8."""
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return None


def label(value: Any) -> str | None:
    """Returns a readable form of an AMQP scalar that is nearly always text: text as it is, binary as text or else
    base64, anything else as its digits. None for None."""
    if value is None:
        return None
    if isinstance(value, Decimal32 | Decimal64 | Decimal128):
        return str(to_decimal(value))
    if isinstance(value, bytes):
        found = text_or_none(value)
        return encode_base64(value) if found is None else found
    return str(value) if isinstance(value, str | int | float | uuid.UUID) else _json(plain(value))


def name_of(key: Any) -> str:
    """Returns the key of a property as a name without NUL, different for different keys.

    It is the key itself, with three exceptions: a NUL, and each byte that is not UTF-8, is percent-encoded, and so is a
    percent sign that could be mistaken for one of these. A key that is not text becomes `%:` and its JSON.
    """
    if type(key) is not bytes:
        return "%:" + _json(plain(key))
    usual = text_or_none(key)
    if usual is not None and "%" not in usual and "\0" not in usual:
        return usual
    name = _ESCAPED.sub(_percent_byte, key).decode("utf-8", "surrogateescape")
    return _INVALID.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)


def again(name: str, times: int) -> str:
    """Returns the name for the `times`-th value of a repeated name; the first keeps the name itself."""
    return "%:" + _json(_marked("again", [name, times]))


def _percent_byte(found: "re.Match[bytes]") -> bytes:
    return b"%%%02X" % found[0][0]


def aside(name: str) -> str:
    """Returns the name with its first byte percent-encoded, for a place where the plain name has another meaning."""
    first, *rest = name.encode()
    return f"%{first:02X}{bytes(rest).decode()}"


def encode_base64(value: bytes) -> str:
    """Returns Base64 with padding, RFC 4648 section 4."""
    return base64.b64encode(value).decode("ascii")


def _json(value: Any) -> str:
    return json_of(value).decode()
