"""Sections of a message one by one: what is understood, what is refused, and what is left of a broken one."""

import pytest

from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Header, Message, Properties, Sequence, Value, section
from ingest.amqp.types import Described, Symbol, Timestamp, UInt
from ingest.source.event import HUB_TIME
from ingest.source.message import event_of, newest_of, sections
from ingest.source.progress import Position
from tests.source import messages
from tests.source.messages import NOW_MS, odd, runtime_metrics, usual

POSITION = section(
    0x72, encode({Symbol("x-opt-sequence-number"): 7, Symbol("x-opt-offset"): "70", Symbol("x-opt-enqueued-time"): 5})
)


def test_every_section_of_a_message() -> None:
    whole = (
        runtime_metrics(3)
        + Message(
            header=Header(durable=True),
            message_annotations={"a": 1},
            properties=Properties(message_id="m"),
            application_properties={"k": "v"},
            body=Data((b"x", b"y")),
            footer={"f": 1},
        ).encode()
    )
    found = sections(whole)
    assert found.annotations == {b"a": 1}
    assert found.properties[0] == b"m"
    assert found.application == {b"k": b"v"}
    assert (found.data, found.body_kind) == ([b"x", b"y"], "data")


def test_the_usual_event() -> None:
    event = event_of(usual(7, module="mod", properties={"level": "high"}, system=Properties(message_id="m", to="/x")))
    assert (event.sequence_number, event.offset, event.enqueued_ms) == (7, "7000", NOW_MS + 7)
    assert (event.body, event.body_kind, event.message_id) == (b'{"t":1}', "data", "m")
    assert (event.device_id, event.origin.module_id) == ("dev-1", "mod")
    assert event.hub_ms is not None
    assert list(event.system_properties) == [
        "iothub-connection-auth-method",
        "iothub-connection-auth-generation-id",
        HUB_TIME,
        "iothub-message-source",
        "to",
    ]
    assert event.labels.properties == {"level": "high"}


@pytest.mark.parametrize(
    ("body", "kind"), [(Value({"a": 1}), "value"), (Value(0), "value"), (Sequence(([1],)), "sequence")]
)
def test_bodies_of_other_kinds_keep_the_whole_message(body: Value | Sequence, kind: str) -> None:
    payload = POSITION + Message(body=body).encode()
    event = event_of(payload)
    assert (event.body, event.body_kind) == (payload, kind)


@pytest.mark.parametrize("body", [None, Value(None), Value(Described(Symbol("nothing"), None)), Data((b"",))])
def test_no_body_is_an_empty_one(body: Value | Data | None) -> None:
    event = event_of(POSITION + Message(body=body).encode())
    assert (event.body, event.body_kind) == (b"", "data")


BROKEN = {
    "cut short": b"\x00\x53\x73\xc0\xff",
    "no type": b"\x00\x53\x75\x99",
    "no section": encode("text"),
    "no numeric descriptor": b"\x00" + encode(Symbol("amqp:data:binary")) + b"\xa0\x01x",
    "an unknown section": section(0x79, encode({})),
    "properties that are no list": section(0x73, encode({})),
    "application properties that are no map": section(0x74, encode([])),
    "a second set of annotations that is no map": section(0x72, encode([])),
    "data that is no binary": section(0x75, encode(UInt(5))),
    "half a character": section(0x74, b"\xc1\x09\x02\xa1\x01k\x73\x00\x00\xd8\x00"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_message_broken_behind_its_annotations_keeps_its_place(name: str) -> None:
    payload = POSITION + BROKEN[name]
    event = event_of(payload)
    assert event.body_kind == "malformed"
    assert event.position == Position("70", 7)
    assert event.body == payload
    assert not event.labels.properties


@pytest.mark.parametrize("name", BROKEN)
def test_a_message_without_a_place_is_an_error(name: str) -> None:
    with pytest.raises(AmqpError):
        event_of(BROKEN[name])


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {Symbol("x-opt-sequence-number"): 7},
        {Symbol("x-opt-offset"): "70"},
        {Symbol("x-opt-sequence-number"): "7", Symbol("x-opt-offset"): "70"},
        {Symbol("x-opt-sequence-number"): 7, Symbol("x-opt-offset"): "70", Symbol("x-opt-enqueued-time"): "now"},
    ],
)
def test_an_event_without_a_position_is_an_error(annotations: dict[object, object]) -> None:
    with pytest.raises(AmqpError, match="without x-opt-sequence-number or x-opt-offset"):
        event_of(section(0x72, encode(annotations)) + section(0x75, encode(b"x")))


def test_text_in_no_encoding_becomes_base64() -> None:
    assert event_of(odd("text in no encoding")).labels.properties == {"/2s=": "/3Y="}


def test_every_type_becomes_a_json_value() -> None:
    properties = event_of(odd("every type in application properties")).labels.properties
    assert list(properties) == list(messages.EVERY_TYPE)
    assert (properties["ulong"], properties["long"], properties["uint0"]) == ((1 << 64) - 1, -(1 << 63), 0)
    assert (properties["decimal32"], properties["decimal64"], properties["decimal128"]) == ("7", "7", "7")
    assert (properties["char"], properties["binary"], properties["timestamp"]) == ("é", "/wA=", NOW_MS)
    assert (properties["map"], properties["array"]) == ({"a": 1, "5": {"b": "c"}}, [1, 2])
    assert (properties["list"], properties["described"]) == ([1, "a", [None]], "inner")


def test_a_key_that_comes_twice_has_its_last_value() -> None:
    assert event_of(odd("the same key twice")).labels.properties == {"k": "b"}


def test_annotations_around_the_hub_s_time_keep_their_order() -> None:
    annotations = {
        Symbol("b"): 1,
        Symbol(HUB_TIME): Timestamp(9),
        Symbol("a"): 2,
        Symbol("x-opt-sequence-number"): 7,
        Symbol("x-opt-offset"): "70",
        Symbol("c"): 3,
    }
    event = event_of(section(0x72, encode(annotations)))
    assert list(event.system_properties.items()) == [("b", 1), (HUB_TIME, 9), ("a", 2), ("c", 3)]
    assert event.hub_ms == 9
    assert event.enqueued_ms == 0
    no_time = event_of(section(0x72, encode({**annotations, Symbol(HUB_TIME): "soon"})))
    assert no_time.hub_ms is None
    assert no_time.system_properties[HUB_TIME] == "soon"


@pytest.mark.parametrize("newest", [0, 9, 1 << 40])
def test_the_newest_event_of_the_hub(newest: int) -> None:
    assert newest_of(usual(newest=newest)) == newest


@pytest.mark.parametrize(
    "payload",
    [
        usual(newest=None),
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        section(0x71, encode([])),
        section(0x71, encode({})),
        section(0x71, encode({Symbol("last_enqueued_sequence_number"): "9"})),
        runtime_metrics(9)[:40],
    ],
)
def test_no_newest_event(payload: bytes) -> None:
    assert newest_of(payload) is None
