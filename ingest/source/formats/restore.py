"""A dead letter of this or an earlier version → its event. Pure.

A dead letter of an event has the event's content as its value, and the headers of format `raw` besides its own.
"""

import contextlib
from collections.abc import Sequence

from ingest.amqp.errors import AmqpError
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import HEADER_PREFIX
from ingest.kafka.header_names import Header
from ingest.source.events.decoder import event_of
from ingest.source.events.event import AMQP_MESSAGE, BODY_KINDS, DATA, MALFORMED, Event, Labels, Origin
from ingest.source.formats.raw import event_of_record


def event_of_letter(headers: Sequence[Header], value: bytes) -> Event:
    """Returns the event of a dead letter that has its body. Raises Undeliverable if that is not possible."""
    try:
        return _readable(event_of_record(headers, value) if _is_raw(headers) else _of_old_letter(headers, value))
    except (KeyError, ValueError, TypeError) as error:
        raise Undeliverable("bad_letter", f"its headers are not those that ingest wrote ({error!r})") from None


def has_event(headers: Sequence[Header]) -> bool:
    """Whether a letter has more than a position."""
    return _is_raw(headers) or any(name == f"{HEADER_PREFIX}body-kind" for name, _ in headers)


def _is_raw(headers: Sequence[Header]) -> bool:
    return any(name == "sequenceNumber" for name, _ in headers)


def _readable(event: Event) -> Event:
    """Decodes again a message that was malformed for an earlier version; if it still is, the message itself is the content."""
    if event.body_kind != AMQP_MESSAGE:
        return event
    with contextlib.suppress(AmqpError):
        found = event_of(event.body)
        if found.body_kind != MALFORMED:
            return found
    return event


def _of_old_letter(headers: Sequence[Header], value: bytes) -> Event:
    """Returns the event of a letter that has only body, position and sender; a body that is a value is kept in its message.

    Such letters come from an older version, or from an event of which nothing else can be written.
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
