import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import Undeliverable
from ingest.source.events.event import HUB_TIME, JSON_BODIES, MALFORMED, PARTITION_KEY, Event
from ingest.source.formats import FORMATS
from ingest.source.formats.json import COMPARED_BYTES, JsonFormat
from ingest.source.formats.raw import JSON_HEADER, RawFormat
from ingest.source.formats.times import rfc3339
from tests.source.formats.contract import WRITTEN_KEYS
from tests.source.sample_events import make_event

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "offset": "12890070640",
        "enqueued_ms": 1_603_288_810_824,
        "body": b'{"t":1}',
        "device_id": "dev-1",
        "content_type": "application/json",
        "system_properties": {"iothub-message-source": "Telemetry"},
        "properties": {"level": "high"},
    }
    return make_event(13280, **{**fields, **changes})


def test_json_has_the_agreed_fields_in_order() -> None:
    record = JsonFormat("3").encode(event(message_id="m", correlation_id="c", module_id="mod"))
    assert record.key == b"dev-1"
    assert record.timestamp_ms == 1_603_288_810_824
    assert record.headers is None
    assert record.value == (
        b'{"deviceId":"dev-1","moduleId":"mod","offset":"12890070640","sequenceNumber":13280,"partition":"3",'
        b'"enqueuedTime":"2020-10-21T14:00:10.824Z","contentType":"application/json","contentEncoding":null,'
        b'"messageId":"m","correlationId":"c","content":"{\\"t\\":1}",'
        b'"systemProperties":{"iothub-message-source":"Telemetry"},"properties":{"level":"high"}}'
    )


def test_json_leaves_out_what_only_some_events_have() -> None:
    fields = orjson.loads(JsonFormat("3").encode(event()).value)
    assert not {"moduleId", "messageId", "correlationId", "contentTransfer"} & fields.keys()


@given(body=st.binary(max_size=200))
def test_json_content_is_exactly_the_body(body: bytes) -> None:
    fields = orjson.loads(JsonFormat("0").encode(event(body=body)).value)
    content = fields["content"]
    if "contentTransfer" in fields:
        assert fields["contentTransfer"] == "base64"
        assert base64.b64decode(content) == body
        with pytest.raises(UnicodeDecodeError):  # short ones are text whenever they can be
            body.decode()
    else:
        assert content.encode() == body


@given(properties=st.dictionaries(TEXT, JSON_VALUES, max_size=4), device=TEXT)
def test_any_properties_survive_both_formats(properties: dict[str, Any], device: str) -> None:
    made = event(properties=properties, device_id=device)
    assert orjson.loads(JsonFormat("0").encode(made).value)["properties"] == properties
    headers = RawFormat("0").encode(made).headers
    assert headers is not None
    found = {name[2:]: value for name, value in headers if name.startswith("p-")}
    assert found.keys() == properties.keys()
    for name, value in properties.items():
        raw = found[name]
        assert isinstance(raw, bytes)
        assert raw.decode() == value if isinstance(value, str) else orjson.loads(raw) == value


def test_raw_leaves_the_body_alone_and_puts_the_rest_into_headers() -> None:
    record = RawFormat("3").encode(event(body=b"\x00\xff", message_id="m"))
    assert record.value == b"\x00\xff"
    assert record.headers is not None
    assert dict(record.headers) == {
        "offset": b"12890070640",
        "sequenceNumber": b"13280",
        "partition": b"3",
        "enqueuedTime": b"2020-10-21T14:00:10.824Z",
        "deviceId": b"dev-1",
        "contentType": b"application/json",
        "messageId": b"m",
        "s-iothub-message-source": b"Telemetry",
        "p-level": b"high",
    }


@pytest.mark.parametrize("name", FORMATS)
def test_what_no_format_carries_is_undeliverable(name: str) -> None:
    encode = FORMATS[name]("0").encode
    with pytest.raises(Undeliverable, match="not AMQP") as refused:
        encode(event(body_kind=MALFORMED))
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("kind", JSON_BODIES)
def test_a_body_that_json_was_made_of_says_so(kind: str) -> None:
    made = event(body=b'{"t":1}', body_kind=kind)
    fields = orjson.loads(JsonFormat("0").encode(made).value)
    assert (fields["content"], fields["bodyType"], fields["contentType"]) == ('{"t":1}', kind, "application/json")
    raw = RawFormat("0").encode(made)
    assert raw.value == b'{"t":1}'
    assert dict(raw.headers or ())["bodyType"] == kind.encode()


@pytest.mark.parametrize("enqueued_ms", [-1, -(2**63), 253_402_300_800_000, 2**63 - 1])
def test_a_time_that_is_no_date_is_marked_and_stands_for_now(enqueued_ms: int) -> None:
    """Beside an event that has a date, whatever its strings look like."""
    tricky = {"device_id": '"enqueuedTime":"1970-01-01T00:00:00.000Z"', "module_id": '\\"enqueuedTime":"'}
    json, raw = JsonFormat("0"), RawFormat("0")
    for time in (5, enqueued_ms, 5):
        made = event(enqueued_ms=time, **tricky)
        record = json.encode(made)
        fields = orjson.loads(record.value)
        assert (fields["deviceId"], fields["moduleId"]) == tuple(tricky.values())
        headers = raw.encode(made).headers or []
        if time == 5:
            assert (record.timestamp_ms, fields["enqueuedTime"]) == (5, "1970-01-01T00:00:00.005Z")
            assert JSON_HEADER not in dict(headers)
        else:
            assert (record.timestamp_ms, fields["enqueuedTime"]) == (0, {"$timestamp": time})
            assert orjson.loads(dict(headers)["enqueuedTime"] or b"") == {"$timestamp": time}
            assert (JSON_HEADER, b'["enqueuedTime"]') in headers
            assert raw.encode(made).timestamp_ms == 0


CONTROL = bytes(byte for byte in range(0x20) if byte not in b"\b\t\n\f\r")
TEXT_OF_CONTROLS = {
    b"\0" * 200_000: True,
    b"\x01" * 900: True,
    b"\x01" * 200: False,
    b"\0" * 20: False,
    b"a\x01" * 2_000: True,
    b"a line of a log\x1b[0m\n" * 500: False,
    b'{"a":"b"}' * 5_000: False,
    b'"' * 200_000: False,
    b"\\" * 200_000: False,
    b"\r\n\t\b\f" * 5_000: False,
    "é\0".encode() * 1_000: True,
    b"x" * 200_000: False,
    b"x" * 200_000 + b"\0": False,
}


@pytest.mark.parametrize("body", TEXT_OF_CONTROLS, ids=lambda body: f"{body[:8]!r} x {len(body)}")
def test_control_characters_are_base64_when_that_is_shorter(body: bytes) -> None:
    fields = orjson.loads(JsonFormat("0").encode(event(body=body)).value)
    assert ("contentTransfer" in fields) == TEXT_OF_CONTROLS[body]
    content = fields["content"]
    assert (base64.b64decode(content) if "contentTransfer" in fields else content.encode()) == body


@given(st.lists(st.sampled_from([*CONTROL, *b'a"\\\n\xe9']), max_size=30).map(bytes), st.sampled_from([1, 100, 300]))
def test_a_record_is_never_larger_than_base64_makes_it_but_for_text(piece: bytes, times: int) -> None:
    body = piece * times
    without = len(JsonFormat("0").encode(event(body=b"")).value)
    size = len(JsonFormat("0").encode(event(body=body)).value) - without
    in_base64 = len(base64.b64encode(body)) + len(',"contentTransfer":"base64"')
    assert size <= max(in_base64, len(body) + COMPARED_BYTES) or not set(body) & set(CONTROL)


@pytest.mark.parametrize("name", FORMATS)
def test_an_event_of_no_device_has_its_partition_key_or_none(name: str) -> None:
    encode = FORMATS[name]("0").encode
    written = WRITTEN_KEYS.get(name, bytes)
    assert encode(event(device_id=None)).key is None
    assert encode(event(device_id=None, system_properties={PARTITION_KEY: "pk"})).key == written(b"pk")
    assert encode(event(system_properties={PARTITION_KEY: "pk"})).key == written(b"dev-1")


def test_raw_names_the_headers_that_are_json_and_no_text() -> None:
    made = event(
        system_properties={"iothub-enqueuedtime": 5, "x-opt-new": {"$uuid": "u"}, "x-opt-old": "5"},
        properties={"a": "5", "b": 5, "c": None, "d": {"$double": "NaN"}},
    )
    headers = RawFormat("3").encode(made).headers or []
    assert [value for name, value in headers if name == JSON_HEADER] == [b'["s-x-opt-new"]', b'["p-b","p-c","p-d"]']
    assert dict(headers)["p-a"] == dict(headers)["p-b"] == b"5"
    assert dict(headers)["p-d"] == b'{"$double":"NaN"}'


@given(st.integers(0, 253_402_300_799_999))
def test_times_are_rfc_3339_with_milliseconds(milliseconds: int) -> None:
    written = rfc3339(milliseconds)
    assert written.endswith("Z")
    parsed = datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert round(parsed.timestamp() * 1000) == milliseconds


@pytest.mark.parametrize("name", ["json", "raw"])
@given(st.lists(st.integers(-2_000, 3_000), min_size=1))
def test_each_event_has_its_own_time_whichever_came_before(name: str, times: list[int]) -> None:
    encode = FORMATS[name]("0").encode
    for enqueued_ms in times:
        record = encode(event(enqueued_ms=enqueued_ms))
        fields = orjson.loads(record.value) if name == "json" else dict(record.headers or ())
        if enqueued_ms >= 0:
            expected = rfc3339(enqueued_ms)
            assert fields["enqueuedTime"] == (expected if name == "json" else expected.encode())
        assert record.timestamp_ms == max(0, enqueued_ms)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
OPTIONAL_TEXT = st.none() | TEXT


@given(
    offset=TEXT,
    enqueued_ms=st.integers(0, 4_102_444_800_000),
    body=st.binary(max_size=60) | TEXT.map(str.encode),
    device_id=OPTIONAL_TEXT,
    module_id=OPTIONAL_TEXT,
    message_id=OPTIONAL_TEXT,
    correlation_id=OPTIONAL_TEXT,
    content_type=OPTIONAL_TEXT,
    content_encoding=OPTIONAL_TEXT,
    before=st.dictionaries(NAMES.map("b{}".format), JSON_VALUES, max_size=3),
    after=st.dictionaries(NAMES.map("a{}".format), JSON_VALUES, max_size=3),
    hub_ms=st.none() | st.integers(0, 2**62),
    properties=st.dictionaries(NAMES, JSON_VALUES, max_size=3),
)
def test_json_is_what_orjson_makes_of_the_whole(**fields: Any) -> None:
    """The pieces that are made once and joined for every event, against one dump of everything."""
    before, after, hub_ms = fields.pop("before"), fields.pop("after"), fields.pop("hub_ms")
    system = {**before, **({} if hub_ms is None else {HUB_TIME: hub_ms}), **after}
    made = make_event(7, system_properties=system, **fields)
    whole: dict[str, Any] = {"deviceId": fields["device_id"]}
    if fields["module_id"] is not None:
        whole["moduleId"] = fields["module_id"]
    whole |= {
        "offset": fields["offset"],
        "sequenceNumber": 7,
        "partition": "3",
        "enqueuedTime": rfc3339(fields["enqueued_ms"]),
        "contentType": fields["content_type"],
        "contentEncoding": fields["content_encoding"],
    }
    for name, value in (("messageId", fields["message_id"]), ("correlationId", fields["correlation_id"])):
        if value is not None:
            whole[name] = value
    try:
        whole["content"] = fields["body"].decode()
    except UnicodeDecodeError:
        whole |= {"content": base64.b64encode(fields["body"]).decode(), "contentTransfer": "base64"}
    whole |= {"systemProperties": system, "properties": fields["properties"]}
    json = JsonFormat("3")
    assert json.encode(made).value == json.encode(made).value == orjson.dumps(whole)
