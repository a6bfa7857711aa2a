"""Messages of the Event Hub-compatible endpoint for tests: usual ones, odd ones, and a strategy for any."""

import math
import uuid
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ingest.amqp.encoding import encode
from ingest.amqp.message import DELIVERY_ANNOTATIONS, Data, Message, Properties, Sequence, Value, section
from ingest.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from ingest.emulator.telemetry.layout import device_annotations, device_sections, odd_event, telemetry
from tests.amqp import strategies as amqp

NOW_MS = 1_700_000_000_000
LARGE = 1 << 20


def runtime_metrics(newest: int) -> bytes:
    """The delivery annotations that the service puts in front of every message when asked to."""
    annotations = {
        Symbol("last_enqueued_sequence_number"): newest,
        Symbol("last_enqueued_offset"): str(newest * 8),
        Symbol("last_enqueued_time_utc"): Timestamp(NOW_MS),
        Symbol("runtime_info_retrieval_time_utc"): Timestamp(NOW_MS + newest),
    }
    return section(DELIVERY_ANNOTATIONS, encode(annotations))


def usual(
    sequence: int = 7,
    *,
    device: str = "dev-1",
    module: str | None = None,
    body: bytes = b'{"t":1}',
    properties: dict[str, object] | None = None,
    system: Properties | None = None,
    newest: int | None = 9,
) -> bytes:
    """A telemetry message as IoT Hub lays it out. `newest` None: without delivery annotations."""
    sent = device_sections(body, properties or {}, system)
    message = telemetry(device_annotations(device, module), sent, sequence, sequence * 1_000, NOW_MS + sequence)
    return message if newest is None else runtime_metrics(newest) + message


EVERY_TYPE: dict[str, object] = {
    "null": None,
    "true": True,
    "ubyte": UByte(255),
    "ushort": UShort(65_535),
    "uint": UInt(1 << 31),
    "uint0": UInt(0),
    "ulong": ULong((1 << 64) - 1),
    "byte": Byte(-128),
    "short": Short(-32_768),
    "int": Int(-(1 << 31)),
    "long": -(1 << 63),
    "float": Float(1.5),
    "double": 0.1,
    "decimal32": Decimal32((101 << 23 | 7).to_bytes(4, "big")),
    "decimal64": Decimal64((398 << 53 | 7).to_bytes(8, "big")),
    "decimal128": Decimal128((6176 << 113 | 7).to_bytes(16, "big")),
    "char": Char("é"),
    "timestamp": Timestamp(NOW_MS),
    "binary": b"\xff\x00",
    "string": "text é",
    "symbol": Symbol("symbol"),
    "list": [1, "a", [None]],
    "map": {"a": 1, 5: {"b": b"c"}},
    "array": Array([UInt(1), UInt(2)]),
    "described": Described(Symbol("of:something"), "inner"),
}

ODD: dict[str, Message | bytes] = {
    "nothing at all": b"",
    "no properties": Message(body=Data((b"x",))),
    "empty properties": Message(properties=Properties(), application_properties={}, body=Data((b"x",))),
    "every type in application properties": Message(application_properties=EVERY_TYPE, body=Data((b"x",))),
    "every type in annotations": Message(message_annotations=EVERY_TYPE, body=Data((b"x",))),
    "unknown annotations": Message(message_annotations={"x-opt-new": 1, "dt-subject": "abc"}, body=Data((b"x",))),
    "all system properties": Message(
        properties=Properties(
            message_id="m",
            user_id=b"\xffuser",
            to="/devices/a",
            subject="s",
            reply_to="r",
            correlation_id=5,
            content_type="application/json",
            content_encoding="utf-8",
            absolute_expiry_time=NOW_MS,
            creation_time=NOW_MS,
            group_id="g",
            group_sequence=3,
            reply_to_group_id="rg",
        ),
        body=Data((b"x",)),
    ),
    "several data sections": Message(body=Data((b"a", b"", b"b" * 300))),
    "a value": Message(body=Value({"a": [1, 2]})),
    "a sequence": Message(body=Sequence(([1, 2], ["a"]))),
    "a text as value": Message(properties=Properties(message_id="m"), body=Value("text é")),
    "a binary as value": Message(body=Value(b"\xff")),
    "a null as value": Message(body=Value(None)),
    "values of several types": section(0x77, encode("a")) + section(0x75, encode(b"x")) + section(0x76, encode([1])),
    "sections with names": b"\x00" + encode(Symbol("amqp:data:binary")) + encode(b"x"),
    "numbers that are none": Message(
        application_properties={"nan": math.nan, "inf": Float(math.inf), "list": [-math.inf, -0.0]}, body=Data((b"x",))
    ),
    "names that no header has": Message(
        application_properties={"a\0b": "\0", "%41": "", "%:5": {"$double": "NaN"}, "": None}, body=Data((b"x",))
    ),
    "annotations with names of fields": Message(
        message_annotations={"to": 1, "message-id": b"\xff", "x-opt-partition-key": "pk"},
        properties=Properties(message_id=uuid.UUID(int=7), to="/devices/a", correlation_id=b"\xff"),
        body=Data((b"\0" * 2_000,)),
    ),
    "an empty body": Message(body=Data((b"",))),
    "a large body": Message(body=Data((b"x" * (LARGE - 2_000),))),
    "a body in no encoding": Message(body=Data((b"\xff\xfe\x00\x80",))),
    "text in no encoding": section(0x74, b"\xc1\x09\x02\xa1\x02\xffk\xa1\x02\xffv") + section(0x75, b"\xa0\x01x"),
    "the same key twice": section(0x74, b"\xc1\x0d\x04\xa1\x01k\xa1\x01a\xa1\x01k\xa1\x01b")
    + section(0x75, b"\xa0\x01x"),
    # azure-eventhub's decoder leaves a byte of the array, and makes sense of what follows all the same.
    "an empty array": Message(application_properties={"a": [Array(), UByte(0)]}, body=Data((b"\x00P\x00",))),
    "a footer": Message(body=Data((b"x",)), footer={"f": 1}),
    "no AMQP behind the annotations": b"\x00\x53\x73\xc0\xff",
    "a body of another type": section(0x75, b"\x54\x05"),
    "application properties of another type": section(0x74, b"\x45") + section(0x75, b"\xa0\x01x"),
}


def odd(name: str, sequence: int = 7) -> bytes:
    """The odd message of this name, as it lies in the log of a hub."""
    return odd_event(ODD[name], sequence, sequence * 1_000, NOW_MS + sequence)


_names = st.sampled_from(["a", "level", "iothub-message-source", "é", "to", "x" * 300]) | amqp.text.map(
    lambda text: text[:20]
)
_ids = st.none() | amqp.text | st.integers(0, (1 << 64) - 1) | st.uuids() | st.binary(max_size=20)
_labels = st.builds(
    Properties,
    message_id=_ids,
    user_id=st.none() | st.binary(max_size=20),
    to=st.none() | amqp.text,
    correlation_id=_ids,
    content_type=st.none() | st.sampled_from(["application/json", "text/plain"]),
    content_encoding=st.none() | st.just("utf-8"),
    creation_time=st.none() | amqp.signed(64),
)
_bodies = st.one_of(
    st.binary(max_size=600).map(lambda body: Data((body,))),
    st.lists(st.binary(max_size=20), min_size=1, max_size=3).map(lambda parts: Data(tuple(parts))),
    amqp.values.map(Value),
    st.lists(st.lists(amqp.values, max_size=3), min_size=1, max_size=2).map(lambda rows: Sequence(tuple(rows))),
    st.none(),
)


@dataclass(frozen=True)
class Sent:
    """What a strategy made, so that a failing example can be read."""

    message: Message
    encoded: bytes


@st.composite
def any_message(draw: st.DrawFn) -> Sent:
    """Like a telemetry message, with anything that AMQP allows in its places; with and without delivery annotations."""
    annotations: dict[Any, Any] = {}
    if draw(st.booleans()):
        annotations["iothub-connection-device-id"] = draw(st.sampled_from(["dev-1", "dev-2", "é", "d" * 200]))
    if draw(st.booleans()):
        annotations["iothub-connection-module-id"] = "mod"
    annotations |= draw(st.dictionaries(amqp.symbols.map(lambda name: Symbol(name[:20])), amqp.values, max_size=2))
    if draw(st.booleans()):
        annotations["iothub-enqueuedtime"] = Timestamp(draw(st.integers(NOW_MS, NOW_MS + 9_999)))
    annotations["iothub-message-source"] = "Telemetry"
    annotations["x-opt-sequence-number"] = draw(amqp.signed(64))
    annotations["x-opt-offset"] = draw(st.integers(0, 1 << 40).map(str))
    annotations["x-opt-enqueued-time"] = Timestamp(draw(st.integers(0, NOW_MS)))
    message = Message(
        message_annotations=annotations,
        properties=draw(st.none() | _labels),
        application_properties=draw(st.none() | st.dictionaries(_names, amqp.values, max_size=3)),
        body=draw(_bodies),
        footer=draw(st.none() | st.just({"f": 1})),
    )
    before = runtime_metrics(draw(st.integers(0, 99))) if draw(st.booleans()) else b""
    return Sent(message, before + message.encode())
