"""What every record format must do, in Python and in the compiled core; `test_contract.py` runs all of it over each of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.amqp.message import Data, Message, Value, decode_message
from ingest.amqp.types import Symbol, Timestamp
from ingest.emulator.telemetry.layout import odd_event
from ingest.errors import Undeliverable
from ingest.source.events.event import HUB_TIME, MALFORMED, Event
from ingest.source.events.received import Received
from ingest.source.events.values import json_of
from ingest.source.formats import FORMATS
from ingest.source.formats.connect_json import jackson
from ingest.source.formats.contract import Format, Record
from ingest.source.hot_path import Encoder, PythonEncoder
from tests.source import messages
from tests.source.delivery.refusing_kafka import RefusingKafka
from tests.source.delivery.rig import Rig
from tests.source.events.test_decoder import BROKEN, POSITION
from tests.source.sample_events import make_event

DEVICE = "iothub-connection-device-id"
NO_DATES = (-(1 << 63), -1, 253_402_300_800_000, (1 << 63) - 1)
WRITTEN_KEYS: dict[str, Callable[[bytes], bytes]] = {
    "connect-json": lambda key: jackson(key.decode()),
    "connect-json-schema": lambda key: (
        b'{"schema":{"type":"string","optional":false},"payload":%b}' % jackson(key.decode())
    ),
}
"""By the format: others write the key as it is."""
PIECES = (b'"', b"\\", b"\0", b"a\x1f", b"\x7f", b"\xc3\xa9\n", b"\xff", b'{"a": "b\0"}', b"x" * 50 + b"\0")


@dataclass(frozen=True)
class Subject:
    """One way to make the records of one format."""

    form: type[Format]
    name: str
    """In `source.format`."""
    make: Callable[[str], Encoder]
    """By the partition."""
    decode: Callable[[bytes], Received]

    def record(self, payload: bytes) -> Record | str:
        """Of a message, by an encoder of its own; the reason if the format cannot carry it."""
        return outcome(self.make("0"), self.decode(payload))


def outcome(encoder: Encoder, event: Received) -> Record | str:
    """Anything but Undeliverable is an error of the test."""
    try:
        one = encoder.encode(event)
    except Undeliverable as why:
        return why.reason
    (of_all,) = encoder.encode_all([event])
    assert tuple(of_all) == tuple(one)
    return one


def facts(event: Event) -> str:
    """All that an event says."""
    origin, labels = event.origin, event.labels
    said = (event[:6], origin.device_id, origin.module_id, origin.before, origin.after, labels.body_kind)
    named = (labels.correlation_id, labels.content_type, labels.content_encoding, labels.system, labels.properties)
    return repr((said, named))


def besides(event: Event) -> int:
    """The bytes of what an event says besides its body, as JSON."""
    said = [event.offset, event.message_id, event.device_id, event.origin.module_id, event.system_properties]
    labels = event.labels
    return len(
        json_of([*said, labels.correlation_id, labels.content_type, labels.content_encoding, dict(labels.properties)])
    )


def size(record: Record) -> int:
    key, value, headers, _ = record
    return len(key or b"") + len(value) + sum(len(name.encode()) + len(held or b"") for name, held in headers or ())


def check_size(subject: Subject, message: Message) -> None:
    payload = message.encode()
    record = subject.record(payload)
    if isinstance(record, Record):
        event = subject.decode(payload).whole()
        around = subject.form.overhead_bytes(len(event.body))
        assert size(record) <= len(event.body) + around + 4 * besides(event)


def changed(message: Message) -> Iterator[Message]:
    """Messages that differ from this one in one thing each, most of them in what a careless format loses."""
    annotations: dict[Any, Any] = dict(message.message_annotations or {})
    properties: dict[Any, Any] = dict(message.application_properties or {})
    for name, value in (
        ("x-opt-sequence-number", annotations["x-opt-sequence-number"] ^ 1),
        ("x-opt-offset", annotations["x-opt-offset"] + "0"),
        ("x-opt-enqueued-time", Timestamp(annotations["x-opt-enqueued-time"] ^ 1)),
        (HUB_TIME, Timestamp(annotations.get(HUB_TIME, 1) ^ 1)),
        (DEVICE, annotations.get(DEVICE, "") + "x"),
        ("iothub-connection-module-id", annotations.get("iothub-connection-module-id", "") + "x"),
        (Symbol("x-opt-new"), 5),
        (Symbol("x-opt-new"), "5"),
    ):
        yield replace(message, message_annotations={**annotations, name: value})
    for value in ("5", 5, 5.0, None, True, "true", b"5", {"$binary": "NQ=="}, [5]):
        yield replace(message, application_properties={**properties, "new": value})
    for body in (Data((b"5",)), Value("5"), Value(b"5"), Value(5), Value(["5"]), Data((b"\xff",)), Data((b"/w==",))):
        yield replace(message, body=body)


class FormatContract:
    """A subclass has the fixture `subject`."""

    @given(sent=messages.any_message())
    @settings(max_examples=40)
    def test_a_record_has_the_device_as_its_key_and_the_hubs_time(self, subject: Subject, sent: messages.Sent) -> None:
        record = subject.record(sent.encoded)
        if isinstance(record, str):
            return
        annotations: dict[Any, Any] = dict(sent.message.message_annotations or {})
        key = subject.decode(sent.encoded).whole().origin.key
        if DEVICE in annotations:
            assert key == annotations[DEVICE].encode()
        assert record.key == (None if key is None else WRITTEN_KEYS.get(subject.name, bytes)(key))
        assert record.timestamp_ms == annotations["x-opt-enqueued-time"]
        assert type(record.value) is bytes
        assert all(type(name) is str for name, _ in record.headers or ())

    @pytest.mark.parametrize("enqueued_ms", NO_DATES)
    def test_a_time_that_is_no_date_stands_for_now(self, subject: Subject, enqueued_ms: int) -> None:
        record = subject.record(odd_event(Message(body=Data((b"x",))), 7, 70, enqueued_ms))
        assert isinstance(record, Record)
        assert record.timestamp_ms == 0

    @given(sent=st.lists(messages.any_message(), min_size=2, max_size=4), undated=st.sampled_from(NO_DATES))
    @settings(max_examples=12)
    def test_a_record_follows_from_its_event_alone(
        self, subject: Subject, sent: list[messages.Sent], undated: int
    ) -> None:
        """Whatever was encoded before: other events, this one, and this one in other formats."""
        encoder = subject.make("0")
        payloads = [each.encoded for each in sent]
        wanted = [subject.record(payload) for payload in payloads]
        events = [subject.decode(payload) for payload in payloads]
        for _ in range(2):
            assert [outcome(encoder, event) for event in events] == wanted
            outcome(encoder, make_event(1, enqueued_ms=undated))
            for event in events:
                assert subject.record(messages.usual()) == outcome(encoder, subject.decode(messages.usual()))
                others = [outcome(_python(form), event.whole()) for form in FORMATS.values()]
                assert outcome(encoder, event) == outcome(encoder, event.whole()) == wanted[events.index(event)]
                assert [outcome(_python(form), event.whole()) for form in FORMATS.values()] == others

    @pytest.mark.parametrize("name", [*messages.ODD, *BROKEN])
    def test_what_it_cannot_carry_is_undeliverable(self, subject: Subject, name: str) -> None:
        payload = messages.odd(name) if name in messages.ODD else POSITION + BROKEN[name]
        record = subject.record(payload)
        if subject.decode(payload).whole().body_kind == MALFORMED:
            assert record == "malformed"

    @pytest.mark.parametrize("depth", [50, 300])
    def test_a_value_too_deep_for_it_is_undeliverable(self, subject: Subject, depth: int) -> None:
        value: Any = []
        for _ in range(depth):
            value = [value]
        for message in (Message(application_properties={"deep": value}), Message(body=Value(value))):
            subject.record(odd_event(message, 7, 70, messages.NOW_MS))

    @given(sent=messages.any_message())
    @settings(max_examples=15)
    def test_different_events_make_different_records(self, subject: Subject, sent: messages.Sent) -> None:
        if not subject.form.unique:
            return
        seen: dict[str, str] = {}
        for message in (sent.message, *changed(sent.message)):
            payload = message.encode()
            record = subject.record(payload)
            if isinstance(record, Record):
                said = facts(subject.decode(payload).whole())
                assert seen.setdefault(repr(tuple(record)), said) == said

    @given(sent=messages.any_message())
    @settings(max_examples=40)
    def test_a_record_is_no_larger_than_the_format_says(self, subject: Subject, sent: messages.Sent) -> None:
        check_size(subject, sent.message)

    @pytest.mark.parametrize("times", [1, 180, 60_000])
    @pytest.mark.parametrize("piece", PIECES)
    def test_nor_is_that_of_a_body_that_grows(self, subject: Subject, piece: bytes, times: int) -> None:
        check_size(subject, decode_message(messages.usual(body=piece * times)))

    @pytest.mark.parametrize("copies", [2, 30])
    def test_a_refused_batch_of_equal_records_is_delivered_whole(
        self, subject: Subject, copies: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "ingest.source.delivery.delivery.encoder_of", lambda _, partition, **__: subject.make(partition)
        )
        rig = Rig(RefusesFirst(1, partitions=1, names_culprits=False))
        stream = [make_event(7, device_id="dev-1")] * copies
        rig.run(stream)
        rig.settle()
        assert sum(map(len, rig.kafka.log.values())) == rig.delivery.acked == copies
        assert not rig.shelf.letters
        assert rig.delivery.position == stream[-1].position


class RefusesFirst(RefusingKafka):
    """The first request, and every record in it."""

    def append(self, partition: int, batch: Any) -> Any:
        if not self.requests:
            self.most_bytes, most = 0, self.most_bytes
            answers = super().append(partition, batch)
            self.most_bytes = most
            return answers
        return super().append(partition, batch)


def _python(form: type[Format]) -> Encoder:
    return PythonEncoder(form("0").encode)
