"""The compiled core gives what Python gives: the same events and records, or the same refusals."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.amqp.encoding import encode, encode_map
from ingest.amqp.message import Data, Message, Properties, section
from ingest.amqp.types import Symbol, Timestamp
from ingest.metrics.catalogue import DELIVERY_BUCKETS
from ingest.metrics.meter import Histogram
from ingest.source import hot_path
from ingest.source.core import json, lean
from ingest.source.events.event import MALFORMED, Event
from ingest.source.events.received import Received
from ingest.source.formats import FORMATS
from ingest.source.formats.json import COMPARED_BYTES, JsonFormat
from tests.source import messages
from tests.source.core.compare import ENCODERS, check
from tests.source.core.fleets import changed, message
from tests.source.messages import NOW_MS, usual
from tests.source.sample_events import make_event

SEEDS = st.integers(0, (1 << 64) - 1)


@settings(max_examples=150)
@given(seed=SEEDS)
def test_what_fleets_send_and_odd_messages_between(seed: int) -> None:
    random = Random(seed)
    for odd in (0.0, 0.1, 0.5):
        check(message(random, odd=odd))


@settings(max_examples=100)
@given(seed=SEEDS)
def test_messages_with_changed_bytes(seed: int) -> None:
    random = Random(seed)
    check(changed(random, message(random)))


@settings(max_examples=30)
@given(sent=messages.any_message())
def test_any_message(sent: messages.Sent) -> None:
    check(sent.encoded)


@given(payload=st.binary(max_size=200))
def test_any_bytes(payload: bytes) -> None:
    check(payload)


@pytest.mark.parametrize("name", messages.ODD)
def test_odd_messages(name: str) -> None:
    check(messages.odd(name))
    check(messages.runtime_metrics(9) + messages.odd(name))


@pytest.mark.parametrize(
    "payload",
    [
        usual(module="mod", properties={"level": "high", "n": 5}, system=Properties(message_id="m", correlation_id=5)),
        messages.odd("a text as value"),
        messages.odd("all system properties"),
    ],
    ids=["usual", "value", "system"],
)
def test_a_message_that_is_cut_short_or_differs_in_one_byte(payload: bytes) -> None:
    for index in range(len(payload)):
        check(payload[:index])
        for other in (payload[index] ^ 1, payload[index] ^ 0x80, 0x40, 0xA1):
            check(payload[:index] + bytes((other,)) + payload[index + 1 :])


@pytest.mark.parametrize("name", ENCODERS)
def test_what_fleets_send_needs_no_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(payload: bytes) -> Event:
        raise AssertionError(payload)

    monkeypatch.setattr(lean, "event_of", never)
    random = Random(1)
    whole = [message(random) for _ in range(500)]
    events = lean.LeanDecoder().decode_all([(payload, 0, len(payload)) for payload in whole])
    assert len(ENCODERS[name]("0").encode_all(events)) == 500


def test_texts_that_grow_are_base64_at_the_same_size_as_in_python() -> None:
    controls = COMPARED_BYTES // 5
    for count in range(controls - 2, controls + 3):
        for filling in (b"", b"x", b'"', b"\n", "é".encode()):
            check(usual(body=b"\x01" * count + filling))
    # Six characters for each of `count`, against four for three of all bytes: equal when about 14 others stand beside each.
    count, ways = controls + 5, set()
    for others in range(14 * count - 120, 14 * count - 40):
        payload = usual(body=b"\x01" * count + b"x" * others)
        check(payload)
        event = lean.LeanDecoder().decode(payload, 0, len(payload))
        ways.add(b"contentTransfer" in json.JsonEncoder("0").encode(event).value)
    assert ways == {False, True}


@pytest.mark.parametrize(
    "name", ["%41", "%:", "a%", "a%4", "nul\0", "é", "", 'quo"te', "$binary", "to", "message-id", "n" * 254]
)
def test_names_that_records_write_otherwise(name: str) -> None:
    check(usual(properties={name: "x"}))
    check(usual(properties={name: 5, "other": "x"}))
    position = {"x-opt-sequence-number": 1, "x-opt-offset": "8", "x-opt-enqueued-time": Timestamp(9)}
    check(Message(message_annotations={Symbol(name): "x", **position} if name.isascii() else position).encode())


@pytest.mark.parametrize("twice", ["application", "annotations", "sequence"])
def test_names_that_come_twice(twice: str) -> None:
    sequence, offset, enqueued = (
        encode(Symbol(name)) + encode(value)
        for name, value in {
            "x-opt-sequence-number": 1,
            "x-opt-offset": "8",
            "x-opt-enqueued-time": Timestamp(9),
        }.items()
    )
    extra = {"application": b"", "annotations": 2 * (encode(Symbol("a")) + encode("x")), "sequence": sequence}[twice]
    annotations = encode_map([sequence, offset, enqueued, extra])
    count = 6 + {"application": 0, "annotations": 4, "sequence": 2}[twice]
    annotations = annotations[:2] + bytes((count,)) + annotations[3:]
    application = b"\xc1\x0d\x04\xa1\x01k\xa1\x01a\xa1\x01k\xa1\x01b" if twice == "application" else b"\xc1\x01\x00"
    check(section(0x72, annotations) + section(0x74, application) + section(0x75, b"\xa0\x01x"))


@pytest.mark.parametrize(
    "enqueued_ms", [0, 999, 951_782_399_999, 951_782_400_000, 4_107_542_400_000, 253_402_300_799_999]
)
def test_times_around_leap_days_and_the_ends(enqueued_ms: int) -> None:
    annotations = {
        "x-opt-sequence-number": 1,
        "x-opt-offset": "8",
        "x-opt-enqueued-time": Timestamp(enqueued_ms),
    }
    payload = Message(message_annotations=annotations, body=Data((b"x",))).encode()
    assert type(check(payload)) is lean.LeanEvent


@settings(max_examples=30)
@given(days=st.lists(st.integers(0, 2_932_896), min_size=1, max_size=20), ms=st.integers(0, 86_399_999))
def test_any_day(days: list[int], ms: int) -> None:
    for day in days:
        test_times_around_leap_days_and_the_ends(day * 86_400_000 + ms)


@pytest.mark.parametrize("name", ENCODERS)
def test_whole_events_and_lean_ones_side_by_side(name: str) -> None:
    payload = usual()
    encoder, reference = ENCODERS[name]("3"), FORMATS[name]("3")
    events = [make_event(5), lean.LeanDecoder().decode(payload, 0, len(payload)), make_event(6, message_id="m")]
    assert list(encoder.encode_all(events)) == [reference.encode(event.whole()) for event in events]
    assert [encoder.encode(event) for event in events] == [reference.encode(event.whole()) for event in events]
    assert encoder.encode(events[1]).key == b"dev-1"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_partition_id_of_any_text(name: str) -> None:
    event = lean.LeanDecoder().decode(payload := usual(), 0, len(payload))
    for partition in ("", 'a"b', "é" * 3_000):
        assert ENCODERS[name](partition).encode(event) == FORMATS[name](partition).encode(event.whole())


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (2, 1), (0, 99), (99, 99)])
def test_a_slice_that_is_not_in_its_buffer_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="are not all in a buffer of 10 bytes"):
        lean.LeanDecoder().decode(bytes(10), start, end)


def test_a_large_event_does_not_leave_its_buffer_behind() -> None:
    """What is held between batches is bounded, whatever came."""
    encoder = json.JsonEncoder("0")
    payload = usual(body=b"\x01" * (1 << 20))
    event = lean.LeanDecoder().decode(payload, 0, len(payload))
    (record,) = encoder.encode_all([event])
    assert record == JsonFormat("0").encode(event.whole())
    assert encoder.held_bytes <= 1 << 18


@given(
    enqueued=st.lists(st.tuples(st.integers(-10, 70_000), st.booleans())),
    now_ms=st.integers(NOW_MS, NOW_MS + 70_000),
    fraction=st.sampled_from((0.0, 0.25)),
)
def test_delays_are_counted_as_python_counts_them(
    enqueued: list[tuple[int, bool]], now_ms: int, fraction: float
) -> None:
    compiled, python = Histogram(DELIVERY_BUCKETS), Histogram(DELIVERY_BUCKETS)
    compiled.observe(0.3)
    python.observe(0.3)
    events: list[Received] = []
    for after, whole in enqueued:
        payload = usual(after)  # enqueued so many milliseconds after NOW_MS
        event = lean.LeanDecoder().decode(payload, 0, len(payload))
        events.append(event.whole() if whole else event)
    lean.observe_since(events, compiled, now_ms + fraction)
    python.observe_since(sorted(event.enqueued_ms for event in events), now_ms + fraction)
    assert compiled.counts == python.counts
    assert math.isclose(compiled.sum, python.sum, abs_tol=1e-6)


def test_a_histogram_of_too_many_buckets_is_refused() -> None:
    with pytest.raises(ValueError, match="a histogram of 33 buckets"):
        lean.observe_since([], Histogram(tuple(map(float, range(33)))), 0.0)


def test_the_core_is_used_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hot_path.ENVIRONMENT, raising=False)
    chosen = hot_path._chosen()
    assert (sorted(chosen.encoders), chosen.observe_since, chosen.why_python) == (
        ["json", "raw"],
        lean.observe_since,
        "",
    )
    monkeypatch.setenv(hot_path.ENVIRONMENT, "python")
    chosen = hot_path._chosen()
    assert (chosen.decoder, chosen.encoders, chosen.why_python) == (hot_path.PythonDecoder, {}, "INGEST_DECODER=python")


def test_without_the_core_python_is_used_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hot_path.ENVIRONMENT, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "ingest.source.core.lean", None)
    monkeypatch.delattr("ingest.source.core.lean")
    chosen = hot_path._chosen()
    assert (chosen.decoder, chosen.encoders) == (hot_path.PythonDecoder, {})
    assert chosen.why_python.startswith("the compiled core was not built")


def test_a_map_with_equal_keys_in_the_place_of_properties_is_malformed() -> None:
    bare = usual(newest=None)
    body_at = bare.index(b"\x00\x53\x75")
    payload = bare[:body_at] + section(0x73, b"\xc1\x09\x04\xa1\x01k\x40\xa1\x01k\x40") + bare[body_at:]
    event = check(payload)
    assert event is not None
    assert event.whole().body_kind == MALFORMED
