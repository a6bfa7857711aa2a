import uuid
from dataclasses import replace

import pytest

from ingest.amqp.message import Data, Message, Properties, Sequence, Value
from ingest.emulator.c2d.message import BadMessage, device_of, parse
from ingest.hub.limits import COMMAND_BYTES
from tests.emulator.c2d_clock import message

TO = "/devices/d/messages/devicebound"


def test_everything_that_a_device_gets() -> None:
    sent = message(
        "d",
        b"\x00\xff",
        ack="full",
        message_id="m",
        correlation_id="c",
        content_type="application/json",
        content_encoding="utf-8",
        user_id=b"me",
        absolute_expiry_time=17,
    )
    assert sent.application_properties is not None
    sent.application_properties["level"] = "hot"
    got = parse(sent)
    assert (got.device_id, got.body, got.message_id, got.correlation_id) == ("d", b"\x00\xff", "m", "c")
    assert (got.content_type, got.content_encoding, got.user_id) == ("application/json", "utf-8", "me")
    assert (got.ack, got.expiry_ms, got.properties, got.to) == ("full", 17, {"level": "hot"}, TO)
    words = ["m", "c", "application/json", "utf-8", "me", TO, "full", "level", "hot"]
    assert got.size == 2 + 8 + sum(map(len, words))


def test_what_may_be_left_out() -> None:
    got = parse(Message(properties=Properties(to=TO)))
    assert (got.body, got.message_id, got.ack, got.expiry_ms, got.properties) == (b"", None, "none", None, {})


@pytest.mark.parametrize(
    ("body", "expected"),
    [(Data((b"a", b"b")), b"ab"), (Value("ü"), "ü".encode()), (Value(b"b"), b"b"), (None, b"")],
)
def test_bodies(body: Data | Value | None, expected: bytes) -> None:
    assert parse(Message(properties=Properties(to=TO), body=body)).body == expected


def test_ids_of_other_types_become_text() -> None:
    number = uuid.uuid4()
    got = parse(Message(properties=Properties(to=TO, message_id=number, correlation_id=7)))
    assert (got.message_id, got.correlation_id) == (str(number), "7")


@pytest.mark.parametrize(
    ("to", "device_id"),
    [
        (TO, "d"),
        ("/Devices/a%231/Messages/DeviceBound", "a#1"),
        ("/devices/a#1/messages/devicebound", "a#1"),
        ("/devices/valve%41/messages/devicebound", "valveA"),
        ("/devices/valve%2541/messages/devicebound", "valve%41"),
        ("/devices/a%2bb%3B!'()*/messages/devicebound", "a+b;!'()*"),
        ("/devices/a+b/messages/devicebound", "a+b"),
        ("/devices/d/modules/m/messages/devicebound", None),
        ("/devices/d/messages/events", None),
        ("/devices//messages/devicebound", None),
        ("", None),
        (None, None),
    ],
)
def test_the_device_in_the_address(to: str | None, device_id: str | None) -> None:
    assert device_of(Message(properties=Properties(to=to))) == device_id


def test_no_address_at_all() -> None:
    with pytest.raises(BadMessage, match="'to' is None") as caught:
        parse(Message(body=Data((b"x",))))
    assert caught.value.condition.condition == "amqp:invalid-field"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [(message(ack="maybe"), "maybe"), (replace(message(), body=Sequence(([1],))), "neither data")],
)
def test_what_the_hub_cannot_take(wrong: Message, word: str) -> None:
    with pytest.raises(BadMessage, match=word) as caught:
        parse(wrong)
    assert caught.value.condition.condition == "amqp:invalid-field"


def test_the_largest_message() -> None:
    rest = len(TO) + len("none")
    assert parse(message(body=bytes(COMMAND_BYTES - rest))).size == COMMAND_BYTES
    with pytest.raises(BadMessage, match="65537 bytes") as caught:
        parse(message(body=bytes(COMMAND_BYTES - rest + 1)))
    assert caught.value.condition.condition == "amqp:link:message-size-exceeded"
