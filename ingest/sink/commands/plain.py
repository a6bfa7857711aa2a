"""A record that is one JSON object of strings without escapes, as most commands are, in a third of the time. Pure.

`json_text` says what orjson loses of JSON: numbers as they are written, names that come twice. Such an object has no
number, and a name that comes twice has more quotes than what is left of it. Its texts have no NUL and no half of a
surrogate pair either, which JSON writes only as escapes.
"""

from typing import Any, Final

import orjson

from ingest.errors import Undeliverable
from ingest.hub.device_id import is_legal
from ingest.hub.limits import COMMAND_BYTES
from ingest.sink.commands.command import ACKS, HUB_PREFIX, Ack, Command, Origin, message_id_for
from ingest.sink.commands.expiry import parse_expiry
from ingest.sink.commands.field_names import KEYS

_KEYS: Final = frozenset(KEYS)
_MEMBER_QUOTES: Final = 4
"""Of a name and its string."""
_NAME_QUOTES: Final = 2


def plain_command(value: bytes, origin: Origin, *, now_ms: int, default_ack: Ack) -> Command | None:
    """Returns what `parse` does for the value of a record without headers. None for any other value, and for one with
    something wrong in it: `parse` reads that, or says what is wrong."""
    found = plain_fields(value)
    if found is None:
        return None
    get = found.get
    device_id, message, properties, told = get("deviceId"), get("message"), get("properties"), get("ack")
    content_type, content_encoding = get("contentType"), get("contentEncoding")
    ack = default_ack if told is None else ACKS.get(told)
    if device_id is None or message is None or ack is None or "moduleId" in found or not is_legal(device_id):
        return None
    if properties and any(name.lower().startswith(HUB_PREFIX) for name in properties):
        return None
    if not f"{content_type or ''}{content_encoding or ''}".isascii():
        return None
    expiry_ms = None
    if (expiry := get("expiry", get("expiryTime"))) is not None:
        if "expiry" in found and "expiryTime" in found:
            return None
        try:
            expiry_ms = parse_expiry(expiry)
        except Undeliverable:
            return None
        if expiry_ms <= now_ms:
            return None
    command = Command(
        device_id,
        message.encode(),
        get("messageId") or message_id_for(origin),
        get("correlationId"),
        content_type,
        ack,
        expiry_ms,
        {} if properties is None else properties,
        origin,
        content_encoding,
    )
    return command if command.size <= COMMAND_BYTES else None


def plain_fields(value: bytes) -> dict[str, Any] | None:
    """Returns a command's fields by name, all strings, but `properties`, an object of strings. None for any other
    value."""
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
