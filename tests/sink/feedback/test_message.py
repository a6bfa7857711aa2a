import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sink.feedback.message import Feedback, parse_feedback, read_back

ENTRY = {
    "originalMessageId": "0987654321",
    "enqueuedTimeUtc": "2015-07-28T16:24:48.789Z",
    "statusCode": "Success",
    "description": "Success",
    "deviceId": "123",
    "deviceGenerationId": "abcdefghijklmnopqrstuvwxyz",
}
"""As in the hub's documentation."""
FEEDBACK = Feedback("0987654321", "123", "Success", "Success", "abcdefghijklmnopqrstuvwxyz", 1_438_100_688_789)


def body(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_the_hubs_own_example() -> None:
    assert parse_feedback(body(ENTRY)) == ([FEEDBACK], None)
    assert FEEDBACK.key == b"123"
    assert json.loads(FEEDBACK.value) == {
        "messageId": "0987654321",
        "deviceId": "123",
        "status": "Success",
        "description": "Success",
        "enqueuedTime": "2015-07-28T16:24:48.789Z",
        "deviceGenerationId": "abcdefghijklmnopqrstuvwxyz",
    }


def test_names_may_have_a_capital_first_letter() -> None:
    assert parse_feedback(body({name[0].upper() + name[1:]: value for name, value in ENTRY.items()})).records == [
        FEEDBACK
    ]


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2018-03-16T11:18:21.7640000Z", 1_521_199_101_764),
        ("2018-03-16T11:18:21", 1_521_199_101_000),
        ("2018-03-16T12:18:21+01:00", 1_521_199_101_000),
        ("9999-12-31T23:59:59.9999999Z", 253_402_300_799_999),
    ],
)
def test_times(time: str, milliseconds: int) -> None:
    [record] = parse_feedback(body({**ENTRY, "enqueuedTimeUtc": time})).records
    assert record.enqueued_ms == milliseconds


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "not JSON"),
        (b"[", "not JSON"),
        (b"\xff[]", "not JSON"),
        (b"{}", "no array but an object"),
        (b"null", "no array but None"),
        (b"[7]", "record 0 of 1: it is no object but 7"),
        (body({**ENTRY, "deviceId": None}), "record 0 of 1: deviceId is None and should be text"),
        (body({**ENTRY, "originalMessageId": ""}), "originalMessageId is '' and should be text"),
        (body({**ENTRY, "statusCode": 0}), "statusCode is 0 and should be text"),
        (body({**ENTRY, "description": []}), "description is a list and should be text"),
        (body({**ENTRY, "enqueuedTimeUtc": "yesterday"}), "'yesterday' and should be a time"),
        (body({**ENTRY, "enqueuedTimeUtc": "1969-12-31T23:59:59.999Z"}), "before 1970"),
        (body({**ENTRY, "enqueuedTimeUtc": "0001-01-01T00:00:00+23:00"}), "should be a time"),
    ],
)
def test_what_cannot_be_read(raw: bytes, problem: str) -> None:
    records, said = parse_feedback(raw)
    assert records == []
    assert said is not None
    assert problem in said


def test_good_neighbours_of_a_bad_record_are_kept() -> None:
    records, problem = parse_feedback(body(ENTRY, 1, {**ENTRY, "deviceId": "other"}, {}))
    assert [record.device_id for record in records] == ["123", "other"]
    assert problem is not None
    assert problem.startswith("record 1 of 4")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "x", ""]), inner, max_size=6),
    max_leaves=10,
)
texts = st.text(min_size=1, max_size=8)
feedback = st.builds(
    Feedback,
    texts,
    texts,
    texts,
    st.none() | texts,
    st.none() | texts,
    st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)).map(
        lambda time: int(time.timestamp()) * 1000 + time.microsecond // 1000
    ),
)


@given(st.binary() | json_values.map(lambda value: json.dumps([value]).encode()))
def test_any_bytes_give_records_or_a_problem(raw: bytes) -> None:
    records, problem = parse_feedback(raw)
    for record in records:
        assert read_back(record.value) == (record.device_id, record.message_id, record.status, record.enqueued_ms)
    assert records or problem or json.loads(raw) == []


@given(feedback)
def test_a_record_can_be_read_back(record: Feedback) -> None:
    assert read_back(record.value) == (record.device_id, record.message_id, record.status, record.enqueued_ms)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_reading_back_anything_raises_nothing(value: bytes) -> None:
    assert read_back(value) is None or isinstance(json.loads(value), dict)
