"""What the formats `connect-*` do beside the vectors."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.message import Data, Value, encode_body
from ingest.emulator.telemetry.layout import odd_event
from ingest.source.events.decoder import event_of
from ingest.source.events.event import HUB_TIME, Event
from ingest.source.formats import FORMATS
from ingest.source.formats.connect import ConnectFormat
from ingest.source.formats.connect_avro import long
from ingest.source.formats.connect_json import ConnectJsonFormat, jackson
from tests.amqp import strategies as amqp
from tests.source import messages
from tests.source.formats.vectors import FOLDER, written
from tests.source.sample_events import make_event

CONNECT = [name for name in FORMATS if name.startswith("connect-")]


def connect(name: str) -> ConnectFormat:
    made = FORMATS[name]("0")
    assert isinstance(made, ConnectFormat)
    return made


def fields(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(ConnectJsonFormat("0").encode(event).value)
    return found


@given(sent=messages.any_message())
def test_every_format_writes_the_same_fields(sent: messages.Sent) -> None:
    event = event_of(sent.encoded)
    struct = fields(event)
    for name in ("systemProperties", "properties"):
        struct[name] = list(struct[name].items())
    for name in CONNECT:
        form = connect(name)
        assert form.encode(event).value == form.encode(event).value == written(form, struct)


@given(sent=messages.any_message())
def test_all_maps_are_of_text_to_text(sent: messages.Sent) -> None:
    struct = fields(event_of(sent.encoded))
    assert list(struct) == [
        "deviceId",
        "offset",
        "contentType",
        "enqueuedTime",
        "sequenceNumber",
        "content",
        "systemProperties",
        "properties",
    ]
    for name in ("systemProperties", "properties"):
        assert all(type(value) is str for value in struct[name].values())


def test_the_contents_of_a_message_win_over_annotations_of_their_names() -> None:
    event = event_of(messages.odd("annotations with names of fields"))
    system = fields(event)["systemProperties"]
    assert system["to"] == "/devices/a"
    assert system["message-id"] == "00000000-0000-0000-0000-000000000007"
    assert system["correlation-id"] == "\\xff"
    assert not [name for name in system if name.startswith("%")]


@pytest.mark.parametrize(
    ("sections", "content", "kind"),
    [
        ((Data((b"a", b"b")),), "a", None),
        ((Data((b"", b"b")),), "", None),
        ((Data((b"a",)), Value(5)), "a", None),
        (
            (Value(5), Data((b"a",))),
            '[{"$described":[119,5]},{"$described":[117,{"$binary":"YQ=="}]}]',
            "amqp-sections",
        ),
    ],
)
def test_of_several_sections_the_content_is_the_first_data(
    sections: tuple[Data | Value, ...], content: str, kind: str | None
) -> None:
    """As Proton has it, in which the old connector read messages."""
    struct = fields(event_of(odd_event(b"".join(map(encode_body, sections)), 7, 7_000, messages.NOW_MS)))
    assert (struct["content"], struct["systemProperties"].get("bodyType")) == (content, kind)


def test_the_last_of_two_properties_of_one_name_wins() -> None:
    assert fields(event_of(messages.odd("the same key twice")))["properties"] == {"k": "b"}


def test_the_content_type_is_the_last_of_its_name() -> None:
    twice = {"contentType": None, '%:{"$again":["contentType",2]}': "text/plain"}
    assert fields(make_event(7, properties=twice))["contentType"] == "text/plain"
    assert fields(make_event(7, properties={"contentType": None}))["contentType"] is None


def test_names_are_as_the_sender_wrote_them() -> None:
    properties = fields(event_of(messages.odd("names that no header has")))["properties"]
    assert properties == {"a\0b": "\0", "%41": "", "%:5": "{$double=NaN}", "": "null"}


def test_a_time_that_is_none_is_empty() -> None:
    event = make_event(7, enqueued_ms=0)
    assert fields(event)["enqueuedTime"] == "1970-01-01T00:00:00Z"
    event.origin.is_timed = False
    event.origin.encoded = (None,)
    assert fields(event)["enqueuedTime"] == ""


@pytest.mark.parametrize("milliseconds", [0, 1, 999, 1000, 1_001, -1, 1_543_593_600_010])
def test_a_time_has_no_digits_or_three(milliseconds: int) -> None:
    time = fields(make_event(7, enqueued_ms=milliseconds))["enqueuedTime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", time)
    assert ("." in time) == bool(milliseconds % 1000)


@given(amqp.text)
def test_json_text_is_read_back(text: str) -> None:
    assert orjson.loads(jackson(text)) == text
    escapes = re.findall(rb"\\u(....)", jackson(text).replace(b"\\\\", b""))
    assert all(escape == escape.upper() for escape in escapes)
    assert not re.search(rb"[\xf0-\xf4]", jackson(text))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_an_avro_long_is_read_back(number: int) -> None:
    written = long(number)
    value = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(written))
    assert (value >> 1) ^ -(value & 1) == number
    assert all(byte > 0x7F for byte in written[:-1])
    assert written[-1] <= 0x7F


def test_the_page_shows_what_is_written() -> None:
    hub_time = {HUB_TIME: 1_603_288_810_824}
    event = make_event(
        13_280,
        offset="12890070640",
        enqueued_ms=1_603_288_810_824,
        body=b'{"t":1}',
        device_id="dev-1",
        system_properties=hub_time,
        properties={"level": "high"},
    )
    page = (FOLDER.parents[1] / "docs" / "records.md").read_text()
    for name in ("connect-string", "connect-json"):
        assert connect(name).encode(event).value.decode() in page.replace("\n ", "")
