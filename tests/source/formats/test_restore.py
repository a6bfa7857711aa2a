"""Any event comes back from a record of format raw, and from its dead letter."""

import json
from typing import Any

import pytest
from hypothesis import given

from ingest.config import Config
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import DeadLetter, dead_letter
from ingest.kafka.header_names import Header
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.events.decoder import event_of
from ingest.source.events.event import AMQP_MESSAGE, MALFORMED, Event, Labels, Origin
from ingest.source.events.values import json_of
from ingest.source.formats import FORMATS
from ingest.source.formats.json import JsonFormat
from ingest.source.formats.raw import RawFormat, event_of_record
from ingest.source.formats.restore import event_of_letter
from tests.source import messages
from tests.source.events.test_decoder import BROKEN, POSITION
from tests.source.sample_events import make_event

TOO_LARGE = Undeliverable("too_large", "the record is too large")


def letter_of(event: Event) -> DeadLetter:
    letters = DeadLetters(Config(), "3")
    written: list[DeadLetter] = []
    letters.topic.send = lambda letter, *_: written.append(letter)  # type: ignore[method-assign]
    letters.send(event, TOO_LARGE, lambda: None)
    return written[0]


def records(event: Event) -> list[Any]:
    return [make("3").encode(event) for make in FORMATS.values()]


def as_a_letter_says(event: Event) -> Event:
    """Without where the first of several sections ended, and whether a number had 32 bits: only `connect-*` tells both."""
    before, after, system, properties = (
        json.loads(json_of(dict(each)))
        for each in (event.origin.before, event.origin.after, event.labels.system, event.labels.properties)
    )
    origin, labels = event.origin, event.labels
    said = Origin(origin.device_id, origin.module_id, before, after)
    said.is_timed = origin.is_timed
    texts = labels.correlation_id, labels.content_type, labels.content_encoding
    return event._replace(origin=said, labels=Labels(*texts, system, properties, labels.body_kind))


@given(messages.any_message())
def test_any_event_comes_back(sent: messages.Sent) -> None:
    event = event_of(sent.encoded)
    letter = letter_of(event)
    assert letter.key == event.origin.key
    raw = RawFormat("3").encode(event)
    for back in (event_of_letter(letter.headers, letter.value), event_of_record(raw.headers or [], raw.value)):
        assert back[:6] == event[:6]
        assert records(back) == records(as_a_letter_says(event))


@pytest.mark.parametrize("name", messages.ODD)
def test_odd_events_come_back(name: str) -> None:
    event = event_of(messages.odd(name))
    letter = letter_of(event)
    back = event_of_letter(letter.headers, letter.value)
    if event.body_kind == MALFORMED:
        event = event._replace(labels=Labels(body_kind=AMQP_MESSAGE))
    assert records(back) == records(as_a_letter_says(event))


@pytest.mark.parametrize("enqueued_ms", [-5, 0, 1, 1_700_000_000_123, 2**62])
def test_any_time_comes_back(enqueued_ms: int) -> None:
    event = make_event(7, enqueued_ms=enqueued_ms, system_properties={"a": "b"})
    letter = letter_of(event)
    assert event_of_letter(letter.headers, letter.value).enqueued_ms == enqueued_ms


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_message_is_at_the_last_a_content_itself(name: str) -> None:
    payload = POSITION + BROKEN[name]
    letter = letter_of(event_of(payload))
    back = event_of_letter(letter.headers, letter.value)
    assert (back.sequence_number, back.offset, back.body, back.body_kind) == (7, "70", payload, AMQP_MESSAGE)
    assert b'"bodyType":"amqp-message"' in JsonFormat("3").encode(back).value


def old_letter(kind: str, value: bytes, **more: str | int | None) -> DeadLetter:
    """As version 0.1 wrote it."""
    position: dict[str, str | int | None] = {
        "event-hub": "hub",
        "partition": "3",
        "offset": "70",
        "sequence-number": 7,
        "enqueued-ms": 1_700_000_000_123,
        "body-kind": kind,
        "device-id": "dev-1",
        "content-type": "application/json",
        **more,
    }
    return dead_letter(b"dev-1", value, "too_large", "why", position)


def test_a_letter_of_an_earlier_version_has_what_it_kept() -> None:
    _, value, headers = old_letter("data", b"{}")
    event = event_of_letter(headers, value)
    assert event[:4] == (7, "70", 1_700_000_000_123, b"{}")
    assert (event.device_id, event.labels.content_type) == ("dev-1", "application/json")
    _, value, headers = old_letter("data", b"{}", **{"device-id": None, "content-type": None})
    assert event_of_letter(headers, value).device_id is None


def test_a_value_in_a_letter_of_an_earlier_version_is_found_in_its_message() -> None:
    payload = messages.odd("a value")
    _, value, headers = old_letter("value", payload)
    assert records(event_of_letter(headers, value)) == records(event_of(payload))
    _, value, headers = old_letter("malformed", b"no AMQP at all")
    assert event_of_letter(headers, value).body_kind == AMQP_MESSAGE


@pytest.mark.parametrize("kind", ["data", "amqp-value", MALFORMED])
def test_a_letter_does_not_fail_for_what_has_made_it_one(kind: str) -> None:
    """It then has what an earlier version would have kept."""
    letter = letter_of(make_event(7, body=b"{}", body_kind=kind, device_id="dev-1", properties={"a": object()}))
    back = event_of_letter(letter.headers, letter.value)
    assert (back.sequence_number, back.body, back.device_id) == (7, b"{}", "dev-1")
    assert back.body_kind == (AMQP_MESSAGE if kind == MALFORMED else kind)


def without(letter: DeadLetter, name: str) -> list[Header]:
    return [header for header in letter.headers if header[0] != name]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("ingest-reason", b"x")],
        without(old_letter("data", b""), "ingest-offset"),
        [("sequenceNumber", b"x")],
        [("sequenceNumber", b"7"), ("offset", b"\xff")],
        without(letter_of(make_event(1)), "offset"),
        [*letter_of(make_event(1)).headers, ("json", b"{")],
        [*letter_of(make_event(1)).headers, ("json", b"5")],
        [*letter_of(make_event(1)).headers, ("json", b'["p-a"]'), ("p-a", b"{")],
    ],
)
def test_what_ingest_has_not_written_is_refused_with_a_sentence(headers: list[Header]) -> None:
    with pytest.raises(Undeliverable, match="not those that ingest wrote") as refused:
        event_of_letter(headers, b"")
    assert refused.value.reason == "bad_letter"


def test_headers_that_others_have_added_count_for_nothing() -> None:
    event = make_event(1, device_id="dev-1", properties={"a": "b"})
    letter = letter_of(event)
    more: list[Header] = [("traceparent", b"\xff"), ("ingest-redriven", b"1"), ("empty", None)]
    back = event_of_letter([*letter.headers, *more], letter.value)
    assert records(back) == records(event)
