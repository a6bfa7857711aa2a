"""A record of the format `raw`, or a dead letter of this or an earlier version → the event that it was. Pure.

A dead letter of an event has its content as the value, and besides its own headers those of format `raw`.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from ingest.amqp.errors import AmqpError
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import HEADER_PREFIX
from ingest.kafka.header_names import Header
from ingest.source.events.decoder import OF_PROPERTIES, event_of
from ingest.source.events.event import AMQP_MESSAGE, BODY_KINDS, DATA, HUB_TIME, MALFORMED, Event, Labels, Origin
from ingest.source.formats.parts import NUMBERS
from ingest.source.formats.raw import JSON_HEADER

Texts = Mapping[str, str]

_FIELDS = frozenset(
    (
        "bodyType",
        "contentEncoding",
        "contentType",
        "correlationId",
        "deviceId",
        "enqueuedTime",
        "messageId",
        "moduleId",
        "offset",
        "sequenceNumber",
    )
)


def event_of_letter(headers: Sequence[Header], value: bytes) -> Event:
    """The event of a dead letter that has its body. Raises Undeliverable when no event can be made of it."""
    try:
        return _readable(event_of_record(headers, value) if _is_raw(headers) else _of_old_letter(headers, value))
    except (KeyError, ValueError, TypeError) as error:
        raise Undeliverable("bad_letter", f"its headers are not those that ingest wrote ({error!r})") from None


def has_event(headers: Sequence[Header]) -> bool:
    """Whether a letter tells more than a position."""
    return _is_raw(headers) or any(name == f"{HEADER_PREFIX}body-kind" for name, _ in headers)


def _is_raw(headers: Sequence[Header]) -> bool:
    return any(name == "sequenceNumber" for name, _ in headers)


def _readable(event: Event) -> Event:
    """With what is now known of a message that was malformed when it came; at the last it is a content itself."""
    if event.body_kind != AMQP_MESSAGE:
        return event
    with contextlib.suppress(AmqpError):
        found = event_of(event.body)
        if found.body_kind != MALFORMED:
            return found
    return event


def event_of_record(headers: Sequence[Header], value: bytes) -> Event:
    """The event of a record of format `raw`. Headers that other programs have added count for nothing.

    Raises KeyError, ValueError or TypeError when the headers are not those of such a record.
    """
    texts: dict[str, str] = {}
    is_json: set[str] = set()
    for name, raw in headers:
        if name == JSON_HEADER:
            is_json |= set(orjson.loads(raw or b""))
        elif raw is not None and (name in _FIELDS or name[:2] in ("s-", "p-")):
            texts.setdefault(name, str(raw, "utf-8") if isinstance(raw, bytes) else raw)

    def typed(name: str) -> Any:
        # Digits of a number that has its name as its type, or anything that is said to be JSON.
        return orjson.loads(texts[name]) if name in is_json or name[2:] in NUMBERS else texts[name]

    system = {name[2:]: typed(name) for name in texts if name.startswith("s-")}
    time = (
        orjson.loads(texts["enqueuedTime"])["$timestamp"] if "enqueuedTime" in is_json else _ms(texts["enqueuedTime"])
    )
    origin, hub_ms = _origin(texts, {name: item for name, item in system.items() if name not in OF_PROPERTIES})
    labels = Labels(
        texts.get("correlationId"),
        texts.get("contentType"),
        texts.get("contentEncoding"),
        {name: item for name, item in system.items() if name in OF_PROPERTIES},
        {name[2:]: orjson.loads(texts[name]) if name in is_json else texts[name] for name in texts if name[:2] == "p-"},
        texts.get("bodyType", DATA),
    )
    return Event(
        int(texts["sequenceNumber"]), texts["offset"], time, value, hub_ms, texts.get("messageId"), origin, labels
    )


def _origin(texts: Texts, annotations: Mapping[str, Any]) -> tuple[Origin, int | None]:
    hub_ms = annotations.get(HUB_TIME)
    hub_ms = hub_ms if type(hub_ms) is int else None
    names = list(annotations)
    place = names.index(HUB_TIME) if hub_ms is not None else 0
    before = {name: annotations[name] for name in names[:place]}
    after = {name: annotations[name] for name in names[place + (hub_ms is not None) :]}
    return Origin(texts.get("deviceId"), texts.get("moduleId"), before, after), hub_ms


def _ms(text: str) -> int:
    """Unix milliseconds of a time as `ingest.source.formats.json.rfc3339` writes it."""
    whole, _, millis = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int(millis)


def _of_old_letter(headers: Sequence[Header], value: bytes) -> Event:
    """Of a version that kept of an event its body, position and sender. Bodies that are values were kept in their message.

    Or of an event of which there is no more that could be written.
    """
    texts = {
        name.removeprefix(HEADER_PREFIX): str(raw, "utf-8") if isinstance(raw, bytes) else raw
        for name, raw in reversed(headers)
        if raw is not None
    }
    kind = texts.get("body-kind", DATA)
    return Event(
        int(texts["sequence-number"]),
        texts["offset"],
        int(texts.get("enqueued-ms", "0")),
        value,
        None,
        None,
        Origin(texts.get("device-id"), None, {}, {}),
        Labels(
            content_type=texts.get("content-type"),
            body_kind=kind if kind in BODY_KINDS else AMQP_MESSAGE,
        ),
    )
