"""Dead letters of events → the records that the events would have been."""

import re
from dataclasses import replace
from typing import Any

import pytest

from ingest.config import Config, Hub, Secret, Source
from ingest.errors import Undeliverable
from ingest.kafka.dead_letters.record import dead_letter, without_body
from ingest.kafka.dead_letters.restore import Again, Letter
from ingest.kafka.schema_registry import Registry
from ingest.source.delivery.dead_letters import DeadLetters
from ingest.source.delivery.redriven import RestoredEvents
from ingest.source.events.decoder import event_of
from ingest.source.events.event import MALFORMED, Event
from ingest.source.formats import FORMATS, make
from tests.config.samples import EVENT_HUB
from tests.source import messages
from tests.source.sample_events import make_event

CONFIG = Config(hub=Hub(event_hub_connection_string=Secret(EVENT_HUB)), source=Source(topic="telemetry"))
EVENT = event_of(
    messages.usual(7, module="mod", properties={"level": "high", "n": float("nan"), "b": b"\xff"}),
)


def letter_of(event: Event, *, reason: str = "too_large") -> Letter:
    letters = DeadLetters(CONFIG, "3")
    written: list[Letter] = []
    letters.topic.send = lambda letter, *_: written.append(Letter(*letter))  # type: ignore[method-assign]
    letters.send(event, Undeliverable(reason, "why"), lambda: None)
    return written[0]


def restored(letter: Letter, record_format: str = "json", event: Event | None = None) -> tuple[Again, list[Any]]:
    """The record, and what was asked of the hub, which has `event` alone."""
    asked: list[Any] = []

    def fetch(config: Config, *place: Any) -> Event:
        asked.append((config.source.consumer_group, *place))
        if event is None:
            raise Undeliverable("gone", "why")
        return event

    config = replace(CONFIG, source=replace(CONFIG.source, format=record_format))
    return RestoredEvents(config, "others", fetch=fetch)(letter), asked


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The schemas that were asked for, each of which has the number 7."""
    asked: list[str] = []

    class Known(Registry):
        def id_of(self, subject: str, schema: str) -> int:
            asked.append(subject)
            return 7

    monkeypatch.setattr("ingest.kafka.schema_registry.Registry", Known)
    return asked


def test_a_run_asks_the_schema_registry_once(registry: list[str]) -> None:
    restore = RestoredEvents(replace(CONFIG, source=replace(CONFIG.source, format="connect-avro")))
    assert {restore(letter_of(EVENT)).value[:5] for _ in range(3)} == {b"\x00\x00\x00\x00\x07"}
    assert registry == ["telemetry-value"]


@pytest.mark.parametrize("record_format", FORMATS)
def test_an_event_is_the_record_that_it_would_have_been(record_format: str) -> None:
    again, asked = restored(letter_of(EVENT), record_format)
    key, value, headers, timestamp_ms = make(record_format, "3", 7).encode(EVENT)
    has_key = not record_format.startswith("connect-")
    assert again == Again("telemetry", key if has_key else None, value, headers or [], timestamp_ms)
    assert not asked


@pytest.mark.parametrize("record_format", FORMATS)
def test_no_kind_of_event_is_refused(record_format: str) -> None:
    events = [event_of(messages.odd(name)) for name in messages.ODD]
    events += [make_event(7, body_kind=kind) for kind in ("data", "amqp-value", "amqp-sections", MALFORMED)]
    events += [make_event(7, enqueued_ms=time) for time in (-(2**63), 2**63 - 1)]
    for event in events:
        again, _ = restored(letter_of(event), record_format)
        assert again.topic == "telemetry"


def test_a_body_that_was_left_out_is_asked_of_the_hub() -> None:
    letter = letter_of(EVENT)
    omitted = without_body(dead_letter(letter.key, letter.value, "x", "y", {}, letter.headers))
    again, asked = restored(Letter(*omitted), event=EVENT)
    assert again == restored(letter)[0]
    assert asked == [("others", "3", 7, EVENT.enqueued_ms)]
    with pytest.raises(Undeliverable) as refused:
        restored(Letter(*omitted))
    assert refused.value.reason == "gone"


def test_a_letter_that_has_a_position_alone_is_asked_of_the_hub() -> None:
    alone = dead_letter(b"3-7", b"", "x", "why", {"partition": "3", "offset": "70", "sequence-number": 7})
    malformed = make_event(7, body=b"?", body_kind=MALFORMED)
    again, asked = restored(Letter(*alone), event=malformed)
    assert asked == [("others", "3", 7, None)]
    assert b'"bodyType":"amqp-message"' in again.value


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ({}, "bad_letter"),
        ({"partition": "3"}, "bad_letter"),
        ({"partition": "3", "sequence-number": "x"}, "bad_letter"),
        ({"partition": "3", "sequence-number": 7, "event-hub": "another"}, "other_hub"),
        ({"partition": "3", "sequence-number": 7, "body-kind": "data"}, "bad_letter"),
    ],
)
def test_what_cannot_be_restored_is_refused_with_a_reason(position: dict[str, Any], reason: str) -> None:
    with pytest.raises(Undeliverable) as refused:
        restored(Letter(*dead_letter(None, b"", "x", "why", position)), event=EVENT)
    assert refused.value.reason == reason
    assert re.search(r"[a-z]{3,} [a-z]{2,}", str(refused.value))
