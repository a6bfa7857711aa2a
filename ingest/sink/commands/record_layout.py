"""Where a Kafka record keeps the parts of a command: all in its value, or the body in the value and the rest in
headers.

Only the places are known here; `command` checks whether the parts are valid. Pure.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ingest.errors import Undeliverable
from ingest.sink.commands.field_names import HEADERS, KEYS, PROPERTY_PREFIX, is_of_others, nearest
from ingest.sink.commands.foreign import foreign_object
from ingest.sink.commands.formats.contract import Fields, Format
from ingest.sink.commands.formats.json_object import JsonObject
from ingest.sink.commands.json_text import Member, Number, members
from ingest.sink.commands.quoting import clip

Headers = Sequence[tuple[str, str | bytes | None]]
"""The form that confluent-kafka gives and takes."""
JSON: Final = JsonObject()
MOST_PASSED_OVER: Final = 10
"""The most names kept of one record."""


class RawCommand(NamedTuple):
    """Unchecked parts by name; None: absent. Numbers of JSON are `Number`s."""

    body: bytes
    device_id: object
    module_id: object
    message_id: object
    correlation_id: object
    content_type: object
    content_encoding: object
    ack: object
    expiry: object
    properties: object
    passed_over: tuple[str, ...]
    """Parts of the record that are not part of the command, each as `the key 'x'` or `the header 'x'`."""


def read(value: bytes, headers: Headers, form: Format = JSON) -> RawCommand:
    """Returns the parts of one record. Raises Undeliverable (malformed, unknown_field, invalid_…) and what `form`
    raises.

    With a header `deviceId` the value is the body and the other fields are headers, if the format reads headers; else
    the value has all fields, and null stands for an absent one, except `message`.
    """
    if not headers:
        return _from_value(form.read(value), {})
    last = dict(headers)
    found = {name: value for name, value in last.items() if value is not None}
    if "deviceId" in last and form.reads_headers:
        return _from_headers(value, found)
    addressed = next((name for name in found if form.reads_headers and nearest(name, ("deviceId",))), None)
    try:
        fields = _from_value(form.read(value), found)
    except Undeliverable as why:
        if addressed is not None and why.reason == "malformed":
            raise _unknown("header", addressed, "deviceId") from None
        raise
    if addressed is not None and _text(found, addressed, "invalid_device_id") != fields.device_id:
        raise _unknown("header", addressed, "deviceId")
    return fields


def _from_value(fields: Fields, headers: dict[str, str | bytes]) -> RawCommand:
    record = fields.by_name
    passed_over = [f"the key {clip(name)}" for name in fields.ignored]
    for name, member in record.items():
        if name not in KEYS and member.value is not None:
            if (known := nearest(name)) is not None:
                raise _unknown("key", name, known)
            passed_over.append(f"the key {clip(name)}")
    if headers:
        beside = "a command in the value" if "deviceId" in headers else "no header deviceId"
        # If the command's fields are in the value, a header with a field's name belongs to another writer, or is a mistake.
        passed_over += [
            f"the header {clip(name)}, beside {beside},"
            for name in headers
            if name in KEYS or name.startswith(PROPERTY_PREFIX)
        ]

    get = {name: member.value for name, member in record.items()}.get
    if get("deviceId") is None and "message" not in record and (what := foreign_object(record)):
        raise Undeliverable("malformed", f"The record is {what}.")
    expiry, expiry_time = get("expiry"), get("expiryTime")
    if expiry is not None and expiry_time is not None:
        raise _two_expiries()
    module_id = get("moduleId")

    def get_id(name: str) -> object:
        """A number becomes its text, as in properties and in the old connector: it can mean nothing else."""
        value = get(name)
        return value.text if isinstance(value, Number) else value

    return RawCommand(
        device_id=get_id("deviceId"),
        module_id=_header(headers, "moduleId") if module_id is None else module_id,
        body=_body(record),
        message_id=get_id("messageId"),
        correlation_id=get_id("correlationId"),
        content_type=get("contentType"),
        content_encoding=get("contentEncoding"),
        ack=get("ack"),
        expiry=expiry if expiry_time is None else expiry_time,
        properties=_properties(record.get("properties")),
        passed_over=_some(passed_over),
    )


def _from_headers(value: bytes, found: dict[str, str | bytes]) -> RawCommand:
    """`found`: headers that are not null; if repeated, the last counts, as everywhere in Kafka."""
    properties: dict[str, object] = {}
    passed_over = []
    for name in found:
        if name.startswith(PROPERTY_PREFIX):
            properties[name.removeprefix(PROPERTY_PREFIX)] = _text(found, name)
        elif name in KEYS and name not in HEADERS:
            raise Undeliverable(
                "unknown_field",
                f"The header {name} stands beside deviceId: the value is the message then, and each property has a "
                f"header of its own, {PROPERTY_PREFIX}NAME.",
            )
        elif name not in KEYS:
            if name.lower().startswith(PROPERTY_PREFIX):
                raise _unknown("header", name, PROPERTY_PREFIX + name[len(PROPERTY_PREFIX) :])
            if (known := nearest(name, HEADERS)) is not None:
                raise _unknown("header", name, known)
            if not is_of_others(name):
                passed_over.append(f"the header {clip(name)}")
    if "expiry" in found and "expiryTime" in found:
        raise Undeliverable("invalid_expiry", "The record has headers expiry and expiryTime: write only one of them.")
    return RawCommand(
        device_id=_text(found, "deviceId", "invalid_device_id"),
        module_id=_header(found, "moduleId"),
        body=value,
        message_id=_text(found, "messageId"),
        correlation_id=_text(found, "correlationId"),
        content_type=_text(found, "contentType"),
        content_encoding=_text(found, "contentEncoding"),
        ack=_text(found, "ack"),
        expiry=_text(found, "expiryTime" if "expiryTime" in found else "expiry", "invalid_expiry"),
        properties=properties,
        passed_over=_some(passed_over),
    )


def _body(record: dict[str, Member]) -> bytes:
    message = record.get("message")
    if message is None:
        raise _no_message()
    if isinstance(message.value, bytes):
        return message.value
    if not isinstance(message.value, str):
        return message.text.encode()
    try:
        return message.value.encode()
    except UnicodeEncodeError:
        raise Undeliverable(
            "malformed", "The message has one half of a surrogate pair, which is no text: write both halves."
        ) from None


def _properties(member: Member | None) -> object:
    """Returns the properties by name, without nulls; numbers and booleans as written."""
    if member is None or not isinstance(member.value, dict):
        return member and member.value
    found = members(member.text)
    if len({each.name for each in found}) != len(found):
        raise Undeliverable("invalid_property", "properties has a name more than once: write it once.")
    return {
        each.name: each.text if isinstance(each.value, bool | Number) else each.value
        for each in found
        if each.value is not None
    }


def _some(passed_over: list[str]) -> tuple[str, ...]:
    """Returns only a few, so that a record with many of them costs little memory while its command waits."""
    return tuple(passed_over[:MOST_PASSED_OVER])


def _unknown(kind: str, name: str, known: str) -> Undeliverable:
    return Undeliverable(
        "unknown_field", f"The {kind} {clip(name)} is not known: did you mean {known}? Names are case-sensitive."
    )


def _no_message() -> Undeliverable:
    return Undeliverable("malformed", "The record has no message: write the key message, a string or JSON.")


def _two_expiries() -> Undeliverable:
    return Undeliverable("invalid_expiry", "The record has both expiry and expiryTime: write only one of them.")


def _header(found: dict[str, str | bytes], name: str) -> str | None:
    """Returns a header whose value is used only in a sentence."""
    value = found.get(name)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _text(found: dict[str, str | bytes], name: str, reason: str = "invalid_property") -> str | None:
    value = found.get(name)
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undeliverable(
            reason, f"The header {clip(name)} = {clip(value)} is not text: write it in UTF-8."
        ) from None
