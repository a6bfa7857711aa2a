import contextlib
import uuid
from typing import Any

import pytest
from azure.eventhub._pyamqp._decode import decode_payload
from azure.eventhub._pyamqp._encode import encode_payload
from azure.eventhub._pyamqp.message import Message as TheirMessage
from azure.eventhub._pyamqp.message import Properties as TheirProperties
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.encoding import encode
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Header, Message, Properties, Sequence, Value, decode_message
from ingest.amqp.types import Symbol, Timestamp
from tests.amqp.strategies import common, plain, symbols, text, unsigned

ids = st.one_of(st.none(), text, st.uuids(), unsigned(64), st.binary(max_size=20))
optional_text = st.one_of(st.none(), text)
optional_symbol = st.one_of(st.none(), symbols.map(str))
times = st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1))
annotations = st.one_of(st.none(), st.dictionaries(symbols, common.map(plain), max_size=5))

messages = st.builds(
    Message,
    header=st.one_of(st.none(), st.builds(Header, durable=st.booleans(), priority=unsigned(8), ttl=unsigned(32))),
    delivery_annotations=annotations,
    message_annotations=annotations,
    properties=st.one_of(
        st.none(),
        st.builds(
            Properties,
            message_id=ids,
            user_id=st.one_of(st.none(), st.binary(max_size=20)),
            to=optional_text,
            subject=optional_text,
            correlation_id=ids,
            content_type=optional_symbol,
            content_encoding=optional_symbol,
            absolute_expiry_time=times,
            group_sequence=st.one_of(st.none(), unsigned(32)),
        ),
    ),
    application_properties=st.one_of(st.none(), st.dictionaries(text, common.map(plain), max_size=5)),
    body=st.one_of(
        st.none(),
        st.lists(st.binary(max_size=300), min_size=1, max_size=3).map(lambda parts: Data(tuple(parts))),
        st.lists(st.lists(common.map(plain), max_size=4), min_size=1, max_size=3).map(
            lambda rows: Sequence(tuple(rows))
        ),
        common.map(plain).map(Value),
    ),
    footer=annotations,
)


@given(messages)
def test_messages_round_trip(message: Message) -> None:
    assert decode_message(message.encode()) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(raw: bytes) -> None:
    with contextlib.suppress(AmqpError):
        decode_message(raw)


@given(messages)
def test_azure_eventhub_reads_our_messages(message: Message) -> None:
    found = decode_payload(memoryview(message.encode()))
    if isinstance(message.body, Data):
        assert found.data == list(message.body.parts)
    if message.properties is not None:
        assert found.properties is not None
        assert found.properties.absolute_expiry_time == message.properties.absolute_expiry_time
        assert found.properties.group_sequence == message.properties.group_sequence
        if message.properties.to is not None:
            assert found.properties.to == message.properties.to.encode()
    if message.message_annotations is not None:
        assert set(found.message_annotations or {}) == {key.encode() for key in message.message_annotations}


def test_we_read_azure_eventhubs_messages() -> None:
    identity = uuid.uuid4()
    sent: Any = TheirMessage(
        properties=TheirProperties(message_id=identity, content_type="application/json", subject="s"),
        application_properties={"n": 7, "t": "text", "b": True, "f": 1.5},
        message_annotations={"x-opt-partition-key": "k"},
        data=[b"one", b"two"],
    )
    raw = bytearray()
    encode_payload(raw, sent)
    message = decode_message(bytes(raw))
    assert message.body == Data((b"one", b"two"))
    assert message.properties == Properties(message_id=identity, content_type="application/json", subject="s")
    assert message.application_properties == {"n": 7, "t": "text", "b": True, "f": 1.5}
    assert message.message_annotations == {"x-opt-partition-key": "k"}


@pytest.mark.parametrize(
    "message",
    [
        Message(body=Data((b"x",))).encode() + Message(body=Value(1)).encode(),
        Message(body=Value(1)).encode() + Message(body=Value(2)).encode(),
        Message(body=Value(1)).encode() + Message(body=Sequence(([1],))).encode(),
        b"\x00\x53\x75\xa1\x01x",
        b"\x00\x53\x72\x45",
        b"\x00\x53\x79\x40",
        b"\x40",
    ],
)
def test_sections_that_do_not_belong_are_refused(message: bytes) -> None:
    with pytest.raises(AmqpError):
        decode_message(message)


def test_annotation_times_stay_times() -> None:
    sent = Message(message_annotations={"x-opt-enqueued-time": Timestamp(5)})
    found = decode_message(sent.encode()).message_annotations or {}
    assert isinstance(found["x-opt-enqueued-time"], Timestamp)


@pytest.mark.parametrize(
    ("message", "code", "name"),
    [
        (Message(header=Header(durable=True)), 0x70, "amqp:header:list"),
        (Message(delivery_annotations={"a": 1}), 0x71, "amqp:delivery-annotations:map"),
        (Message(message_annotations={"a": 1}), 0x72, "amqp:message-annotations:map"),
        (Message(properties=Properties(to="x")), 0x73, "amqp:properties:list"),
        (Message(application_properties={"a": 1}), 0x74, "amqp:application-properties:map"),
        (Message(body=Data((b"x",))), 0x75, "amqp:data:binary"),
        (Message(body=Sequence(([1],))), 0x76, "amqp:amqp-sequence:list"),
        (Message(body=Value(1)), 0x77, "amqp:amqp-value:*"),
        (Message(footer={"a": 1}), 0x78, "amqp:footer:map"),
    ],
)
def test_a_section_may_be_described_by_its_name(message: Message, code: int, name: str) -> None:
    encoded = message.encode()
    assert encoded[:3] == bytes((0x00, 0x53, code))
    assert decode_message(b"\x00" + encode(Symbol(name)) + encoded[3:]) == message
