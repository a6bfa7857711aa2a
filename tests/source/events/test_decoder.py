"""Sections of a message one by one: what is understood, what is refused, and what is left of a broken one."""

import uuid

import pytest

from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Header, Message, Properties, Sequence, Value, section
from ingest.amqp.types import Array, Char, Described, Float, Symbol, Timestamp, UInt, ULong
from ingest.hub.position import Position
from ingest.source.events.decoder import DEVICE, event_of, newest_of, sections
from ingest.source.events.event import HUB_TIME, PARTITION_KEY
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
    assert ([(code, bytes(part)) for code, part in found.body], found.malformed) == (
        [(0x75, b"x"), (0x75, b"y")],
        False,
    )


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


TEXT_BODIES: dict[bytes, object] = {
    b"caf\xc3\xa9": "café",
    b"symbol": Symbol("symbol"),
    b"\xff\x00": b"\xff\x00",
    b"": b"",
    b"x" * 300: "x" * 300,
}


@pytest.mark.parametrize("content", TEXT_BODIES)
def test_a_value_that_is_text_or_binary_is_the_content_as_it_is(content: bytes) -> None:
    """JMS clients send text and bytes as such."""
    event = event_of(POSITION + Message(body=Value(TEXT_BODIES[content])).encode())
    assert (event.body, event.body_kind) == (content, "data")
    assert type(event.body) is bytes


def test_a_value_that_is_text_in_no_encoding_is_the_content_as_it_is() -> None:
    event = event_of(POSITION + section(0x77, b"\xa1\x02\xff\x00"))
    assert (event.body, event.body_kind) == (b"\xff\x00", "data")


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        (Value({"a": 1}), "amqp-value", b'{"a":1}'),
        (Value(0), "amqp-value", b"0"),
        (Value(False), "amqp-value", b"false"),
        (Value(Float(float("nan"))), "amqp-value", b'{"$double":"NaN"}'),
        (Value(ULong((1 << 64) - 1)), "amqp-value", b"18446744073709551615"),
        (Value(Char("x")), "amqp-value", b'{"$char":"x"}'),
        (Value([1, ["a", None, b"\xff"]]), "amqp-value", b'[1,["a",null,{"$binary":"/w=="}]]'),
        (Value(Array([UInt(1)])), "amqp-value", b"[1]"),
        (Value(Described(Symbol("of:x"), None)), "amqp-value", b'{"$described":["of:x",null]}'),
        (Sequence(([1],)), "amqp-sequence", b"[[1]]"),
        (Sequence(([1, 2], [], ["a"])), "amqp-sequence", b'[[1,2],[],["a"]]'),
    ],
)
def test_bodies_of_other_kinds_are_json(body: Value | Sequence, kind: str, content: bytes) -> None:
    event = event_of(POSITION + Message(body=body).encode())
    assert (event.body, event.body_kind) == (content, kind)


def test_sections_of_several_kinds_are_json() -> None:
    body = section(0x75, encode(b"x")) + section(0x77, encode("a")) + section(0x77, encode(5))
    event = event_of(POSITION + body)
    assert event.body == b'[{"$described":[117,{"$binary":"eA=="}]},{"$described":[119,"a"]},{"$described":[119,5]}]'
    assert event.body_kind == "amqp-sections"


@pytest.mark.parametrize("body", [None, Value(None), Data((b"",))])
def test_no_body_is_an_empty_one(body: Value | Data | None) -> None:
    event = event_of(POSITION + Message(body=body).encode())
    assert (event.body, event.body_kind) == (b"", "data")


def named(name: str, value: object) -> bytes:
    return b"\x00" + encode(Symbol(name)) + encode(value)


def test_sections_may_be_described_by_their_names() -> None:
    payload = (
        named("amqp:header:list", [True])
        + POSITION
        + named("amqp:properties:list", ["m-1"])
        + named("amqp:application-properties:map", {"level": "high"})
        + named("amqp:data:binary", b"x")
        + named("amqp:footer:map", {})
    )
    event = event_of(payload)
    assert (event.body, event.body_kind, event.message_id) == (b"x", "data", "m-1")
    assert event.labels.properties == {"level": "high"}
    assert event_of(POSITION + named("amqp:amqp-value:*", "text")).body == b"text"
    assert event_of(POSITION + named("amqp:amqp-sequence:list", [1])).body == b"[[1]]"


BROKEN = {
    "cut short": b"\x00\x53\x73\xc0\xff",
    "no type": b"\x00\x53\x75\x99",
    "no section": encode("text"),
    "no descriptor of a section": b"\x00" + encode(Symbol("amqp:data:string")) + b"\xa0\x01x",
    "a descriptor that is a binary": b"\x00" + encode(b"amqp:data:binary") + b"\xa0\x01x",
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
    ],
)
def test_an_event_without_a_position_is_an_error(annotations: dict[object, object]) -> None:
    with pytest.raises(AmqpError, match="without x-opt-sequence-number or x-opt-offset"):
        event_of(section(0x72, encode(annotations)) + section(0x75, encode(b"x")))


@pytest.mark.parametrize("time", ["now", None, 5.5])
def test_an_event_without_a_time_is_one_all_the_same(time: object) -> None:
    annotations = {"x-opt-sequence-number": 7, "x-opt-offset": "70", "x-opt-enqueued-time": time}
    event = event_of(section(0x72, encode(annotations)) + section(0x75, encode(b"x")))
    assert (event.sequence_number, event.enqueued_ms, event.origin.is_timed) == (7, 0, False)


def test_text_in_no_encoding_is_marked() -> None:
    assert event_of(odd("text in no encoding")).labels.properties == {"%FFk": {"$string": "/3Y="}}


def test_every_type_becomes_a_json_value() -> None:
    properties = event_of(odd("every type in application properties")).labels.properties
    assert list(properties) == list(messages.EVERY_TYPE)
    assert (properties["ulong"], properties["long"], properties["uint0"]) == ((1 << 64) - 1, -(1 << 63), 0)
    assert properties["decimal32"] == properties["decimal64"] == properties["decimal128"] == {"$decimal": "7"}
    assert (properties["char"], properties["binary"]) == ({"$char": "é"}, {"$binary": "/wA="})
    assert properties["timestamp"] == {"$timestamp": NOW_MS}
    assert properties["map"] == {"$map": [["a", 1], [5, {"b": {"$binary": "Yw=="}}]]}
    assert (properties["list"], properties["array"]) == ([1, "a", [None]], [1, 2])
    assert properties["described"] == {"$described": ["of:something", "inner"]}


def test_a_key_that_comes_twice_keeps_both_values() -> None:
    assert event_of(odd("the same key twice")).labels.properties == {"k": "a", '%:{"$again":["k",2]}': "b"}
    three = section(0x74, b"\xc1\x13\x06" + 3 * (b"\xa1\x01k" + b"\xa1\x01x"))
    assert list(event_of(POSITION + three).labels.properties) == [
        "k",
        '%:{"$again":["k",2]}',
        '%:{"$again":["k",3]}',
    ]


def test_application_properties_under_any_key() -> None:
    """AMQP allows strings only; what else comes keeps its place and loses nothing."""
    keys = [encode("5"), encode(5), encode(b"5"), encode([1]), encode(True), encode(1), encode(Symbol("s"))]
    pairs = b"".join(key + encode(index) for index, key in enumerate(keys))
    given = section(0x74, b"\xd1" + (len(pairs) + 4).to_bytes(4, "big") + (14).to_bytes(4, "big") + pairs)
    assert event_of(POSITION + given).labels.properties == {
        "5": 0,
        "%:5": 1,
        '%:{"$binary":"NQ=="}': 2,
        "%:[1]": 3,
        "%:true": 4,
        "%:1": 5,
        "s": 6,
    }


def test_fields_that_are_no_text_are_readable_and_told_exactly() -> None:
    identity = uuid.UUID(int=7)
    properties = Properties(message_id=identity, correlation_id=ULong(5), user_id=b"\xff")
    event = event_of(POSITION + Message(properties=properties).encode())
    assert (event.message_id, event.labels.correlation_id) == (str(identity), "5")
    assert event.system_properties == {
        "user-id": {"$binary": "/w=="},
        "message-id": {"$uuid": str(identity)},
        "correlation-id": 5,
    }
    given = Message(properties=Properties(message_id=b"id", user_id=b"user", creation_time=NOW_MS, group_sequence=3))
    event = event_of(POSITION + given.encode())
    assert event.message_id == "id"
    assert event.system_properties == {
        "user-id": "user",
        "creation-time": NOW_MS,
        "group-sequence": 3,
        "message-id": {"$binary": "aWQ="},
    }


def test_an_annotation_with_the_name_of_a_field_hides_none() -> None:
    body = Message(properties=Properties(to="/devices/a"))
    annotated = {
        Symbol("to"): 1,
        Symbol("message-id"): 2,
        Symbol(DEVICE.decode()): b"\xff",
        Symbol("x-opt-sequence-number"): 7,
        Symbol("x-opt-offset"): "70",
    }
    event = event_of(section(0x72, encode(annotated)) + body.encode())
    assert event.device_id is None
    assert event.system_properties == {
        "%74o": 1,
        "%6Dessage-id": 2,
        DEVICE.decode(): {"$binary": "/w=="},
        "to": "/devices/a",
    }


def test_the_partition_key_is_the_key_of_what_no_device_sent() -> None:
    def key_of(more: dict[object, object]) -> bytes | None:
        position: dict[object, object] = {Symbol("x-opt-sequence-number"): 7, Symbol("x-opt-offset"): "70"}
        return event_of(section(0x72, encode(more | position))).origin.key

    assert key_of({Symbol(PARTITION_KEY): "é"}) == "é".encode()
    assert key_of({Symbol(HUB_TIME): Timestamp(9), Symbol(PARTITION_KEY): "pk"}) == b"pk"
    assert key_of({Symbol(PARTITION_KEY): "pk", Symbol(DEVICE.decode()): "dev-1"}) == b"dev-1"
    assert key_of({Symbol(PARTITION_KEY): 5}) is None
    assert key_of({}) is None


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
