"""What is counted of records, by Python and by the compiled core, beside a model that keeps everything."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingest.audit import counting as python
from ingest.audit.counting import Counter
from ingest.audit.numbers import size, spans
from ingest.audit.sightings import UNDATED, Foreign, Sighting, of_letter, of_record
from ingest.source.core import counting as compiled
from tests.audit.records import T0, Fetched, event, fetched, take

FROM, TO = T0 + 10_000, T0 + 40_000
"""The events 10 to 39."""
New = Callable[..., Counter]
both = pytest.mark.parametrize("new", [python.Counting, compiled.Counting])
FIELDS = [name for name in python.Count.__slots__ if name not in ("seen", "again")]


def figures(counting: Counter) -> dict[str, tuple[object, ...]]:
    return {
        partition: (
            *(getattr(count, name) for name in FIELDS),
            *(list(spans(chunks, 0, 1 << 62)) for chunks in (count.seen, count.again)),
        )
        for partition, count in counting.counts.items()
    }


PLACES = some.lists(some.tuples(some.integers(0, 50), some.integers(0, 1), some.sampled_from("037")), max_size=80)


@both
@given(records=PLACES)
def test_figures_are_those_of_a_model_that_keeps_everything(new: New, records: list[tuple[int, int, str]]) -> None:
    counting = new(FROM, TO)
    assert take(counting, [fetched(event(n, f"dev-{n % 3}"), p, place=place) for n, place, p in records]) == 0
    for partition, count in counting.counts.items():
        seen: set[int] = set()
        highest: dict[tuple[int, int], int] = {}
        repeated = out_of_order = 0
        for number, place, _ in (each for each in records if each[2] == partition):
            inside, device = 10 <= number < 40, (number % 3, place)
            repeated += inside and number in seen
            if number not in seen:
                out_of_order += inside and number < highest.get(device, -1)
                highest[device] = max(number, highest.get(device, -1))
            seen.add(number)
        stretch = [number for number in seen if 10 <= number < 40]
        assert (count.repeated, count.out_of_order) == (repeated, out_of_order)
        assert (count.first, count.last) == (min(stretch, default=-1), max(stretch, default=-1))
        assert count.before == max((number for number in seen if number < 10), default=-1)
        assert count.after == min((number for number in seen if number >= 40), default=-1)
        assert size(spans(count.seen, 0, 99)) == len(seen)
        assert count.highest == count.latest == max(seen)


TIMES = some.integers(-70_000_000_000_000, 260_000_000_000_000) | some.sampled_from((0, FROM - 1, FROM, TO - 1, TO))
DEVICES = some.none() | some.text('aé"\\\x01😀', max_size=12)
RECORDS = some.builds(
    lambda number, device, time_ms, form, place: fetched(event(number, device, time_ms), "2", form, place),
    some.integers(0, 1 << 62),
    DEVICES,
    TIMES,
    some.sampled_from(("json", "raw", "json")),
    some.integers(0, 2),
)
DAMAGED = some.builds(
    lambda record, at, byte: Fetched((record.value() or b"")[:at] + byte + (record.value() or b"")[at:]),
    RECORDS,
    some.integers(0, 200),
    some.binary(max_size=2),
)


@given(some.lists(RECORDS | DAMAGED | some.builds(Fetched, some.none() | some.binary(max_size=9)), max_size=20))
def test_the_compiled_core_counts_as_python_does(records: list[Fetched]) -> None:
    results = []
    for new in (python.Counting, compiled.Counting):
        counting = new(FROM, TO)
        results.append((take(counting, records), figures(counting)))
    assert results[0] == results[1]


@both
@given(moment=some.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=some.just(UTC)))
def test_a_time_is_read_to_the_millisecond(new: New, moment: datetime) -> None:
    text = moment.isoformat(timespec="milliseconds").removesuffix("+00:00").encode() + b"Z"
    value = (fetched(event(1)).value() or b"").replace(b"2023-11-14T22:13:21.000Z", text)
    counting = new(FROM, TO)
    assert take(counting, [Fetched(value)]) == 0
    days = (moment - datetime(1970, 1, 1, tzinfo=UTC)).days
    wanted = (
        days * 86_400 + moment.hour * 3600 + moment.minute * 60 + moment.second
    ) * 1000 + moment.microsecond // 1000
    assert max(counting.counts["0"].latest_ms, -1) == max(wanted, -1)


@both
@pytest.mark.parametrize(
    "time", [b"2023-02-29T00:00:00.000Z", b"2023-13-01T00:00:00.000Z", b"2023-01-01T00:60:00.000Z"]
)
def test_a_time_that_does_not_exist_makes_it_no_record_of_ours(new: New, time: bytes) -> None:
    value = (fetched(event(1)).value() or b"").replace(b"2023-11-14T22:13:21.000Z", time)
    counting = new(FROM, TO)
    assert take(counting, [Fetched(value)]) == 1
    assert not counting.counts


@both
def test_numbers_that_are_far_apart_end_it_before_memory_does(new: New) -> None:
    counting = new(FROM, TO, most_chunks=10)
    with pytest.raises(OverflowError):
        take(counting, [fetched(event(number * 5_000, time_ms=FROM)) for number in range(11)])


def test_a_partition_can_have_any_name_and_a_record_another_order_of_members() -> None:
    value = b'{"partition":"north","sequenceNumber":7,"offset":"1","enqueuedTime":"2023-11-14T22:13:21.000Z","deviceId":"d"}'
    counting = compiled.Counting(T0, TO)
    assert take(counting, [Fetched(value)]) == 0
    assert counting.counts["north"].first == 7


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"text",
        b"{}",
        b'{"partition":"0"}',
        b'{"deviceId":"d","offset":"1","sequenceNumber":-1,"partition":"0","enqueuedTime":"2023-11-14T22:13:21.000Z"}',
        b'{"deviceId":"d","offset":"1","sequenceNumber":1.0,"partition":"0","enqueuedTime":"2023-11-14T22:13:21.000Z"}',
        b'{"deviceId":"d","offset":"1","sequenceNumber":1,"partition":0,"enqueuedTime":"2023-11-14T22:13:21.000Z"}',
        b'{"deviceId":"d","sequenceNumber":1,"partition":"0","enqueuedTime":"2023-11-14T22:13:21.000Z"}',
    ],
)
def test_what_others_wrote_is_not_ours(value: bytes | None) -> None:
    with pytest.raises(Foreign):
        of_record(value, (), lambda _: None)


def test_a_dead_letter_counts_for_its_own_event_hub() -> None:
    headers = [("ingest-event-hub", b"plant"), ("ingest-partition", b"3"), ("ingest-sequence-number", b"7")]
    for known in ("plant", None):
        assert of_letter(headers, known) == Sighting("3", 7, UNDATED, None)
    assert of_letter(headers[1:], "plant").number == 7
    with pytest.raises(Foreign, match="of the event hub plant"):
        of_letter(headers, "other")


@pytest.mark.parametrize("record_format", ["connect-string", "connect-json", "connect-json-schema"])
def test_the_old_connectors_formats_do_not_say_the_partition(record_format: str) -> None:
    record = fetched(event(5), "3", record_format)
    found = of_record(record.value(), record.held or (), lambda _: None)
    assert (found.partition, found.number, found.time_ms) == ("", 5, T0 + 5_000)
