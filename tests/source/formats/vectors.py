"""What the old connector and Connect's converters have written: tests/vectors/README.md says how it was measured."""

import base64
import json
from pathlib import Path
from typing import Any

from ingest.source.events.decoder import event_of, labels_of, origin_of, sections
from ingest.source.events.event import DATA, Event
from ingest.source.formats.connect import ConnectFormat

FOLDER = Path(__file__).parents[2] / "vectors"
LIFTED = ("x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time")


def entries(name: str) -> list[dict[str, Any]]:
    """Of the file with this name."""
    held: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return held


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def written(form: ConnectFormat, event: dict[str, Any]) -> bytes:
    """The value of a struct that is given field by field."""

    def entries_of(name: str) -> bytes:
        return form.map({key: form.entry(key, value) for key, value in event[name]}.values())

    return form.struct(
        (
            form.text(event["deviceId"]),
            form.text(event["offset"]),
            form.optional(event["contentType"]),
            form.time(event["enqueuedTime"].encode()),
            form.number(event["sequenceNumber"]),
            form.text(event["content"]),
            entries_of("systemProperties"),
            entries_of("properties"),
        )
    )


def event_without_a_place(payload: bytes) -> Event:
    """Of a message that no hub sends, as it has no position; the old connector filled in nothing and 0."""
    found = sections(payload)
    annotations = found.annotations.items() if isinstance(found.annotations, dict) else found.annotations
    known: dict[Any, Any] = dict(annotations)
    origin, hub_ms = origin_of(known.items())
    enqueued = known.get(b"x-opt-enqueued-time")
    origin.is_timed = enqueued is not None
    body = b"".join(value for _, value in found.body)
    offset = known.get(b"x-opt-offset", b"").decode()
    return Event(0, offset, enqueued or 0, body, hub_ms, None, origin, labels_of((), found.application, DATA))


def event(payload: bytes) -> Event:
    """Of any message of the vectors."""
    known: Any = sections(payload).annotations
    return event_of(payload) if known.get(b"x-opt-sequence-number") is not None else event_without_a_place(payload)


class Avro:
    """Reads the body of a record of `connect-avro`."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def struct(self) -> dict[str, Any]:
        found: dict[str, Any] = {"deviceId": self._text(), "offset": self._text()}
        found["contentType"] = self._text() if self._long() else None
        found |= {"enqueuedTime": self._text(), "sequenceNumber": self._long(), "content": self._text()}
        found |= {"systemProperties": self._map(), "properties": self._map()}
        assert self._at == len(self._body)
        return found

    def _long(self) -> int:
        found = shift = 0
        while True:
            byte = self._body[self._at]
            self._at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (found >> 1) ^ -(found & 1)

    def _text(self) -> str:
        size = self._long()
        self._at += size
        return self._body[self._at - size : self._at].decode()

    def _map(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while count := self._long():
            found |= {self._text(): self._text() for _ in range(count)}
        return found
