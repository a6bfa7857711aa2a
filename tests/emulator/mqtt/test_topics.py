from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.c2d.message import Command
from ingest.emulator.mqtt.packets import Publish
from ingest.emulator.mqtt.topics import NotTelemetry, Telemetry, command_topic, matches, telemetry
from ingest.hub.limits import EVENT_BYTES

TOPIC = "devices/dev1/messages/events/"
NOTHING = dict.fromkeys(("message_id", "correlation_id", "content_type", "content_encoding"))
COMMAND = Command(
    device_id="dev1",
    body=b"Turn On",
    message_id=None,
    correlation_id=None,
    content_type=None,
    content_encoding=None,
    user_id=None,
    ack="none",
    expiry_ms=None,
    properties={},
    to="/devices/dev1/messages/devicebound",
    size=7,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def sent(bag: str, payload: bytes = b"", *, qos: int = 1, retain: bool = False) -> Telemetry:
    return telemetry("dev1", Publish(TOPIC + bag, payload, qos, 1, retain))


def test_system_properties_and_the_devices_own_are_told_apart() -> None:
    bag = "%24.mid=m%201&$.cid=c&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot&%24.uid=u&%24.exp=x&%24.ifid=i"
    system = {"message_id": "m 1", "correlation_id": "c", "content_type": "application/json"}
    assert sent(bag, b"{}") == Telemetry(b"{}", {"level": "hot"}, NOTHING | system | {"content_encoding": "utf-8"})


@given(st.dictionaries(TEXT.filter(lambda name: not name.startswith("$.")), st.none() | st.just("") | TEXT))
def test_properties_survive_the_topic(properties: dict[str, str | None]) -> None:
    pairs = [quote(name, safe="") + ("" if value is None else f"={quote(value)}") for name, value in properties.items()]
    assert sent("&".join(pairs)) == Telemetry(b"", {**properties}, NOTHING)


def test_an_encoded_plus_sign_is_no_blank_and_only_the_first_equals_sign_divides() -> None:
    assert sent("a=1%2B1=2&=x&&b").properties == {"a": "1+1=2", "b": None}


def test_a_topic_without_a_bag_will_do() -> None:
    assert sent("") == telemetry("dev1", Publish(TOPIC[:-1], b"")) == Telemetry(b"", {}, NOTHING)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "taken"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "ab/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a/b/c", False),
        ("$iothub/twin/res/#", "$iothub/twin/res/200/?$rid=1", True),
        ("$iothub/twin/PATCH/properties/desired/#", "$iothub/twin/res/200/?$rid=1", False),
    ],
)
def test_what_a_subscription_takes(topic_filter: str, topic: str, taken: bool) -> None:
    assert matches(topic_filter, topic) is taken


def test_a_retained_message_is_marked() -> None:
    assert sent("", retain=True).properties == {"mqtt-retain": "true"}


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (Publish(TOPIC, b"", qos=2, packet_id=1), "QoS 2"),
        (Publish("devices/dev2/messages/events/", b""), "devices/dev1/messages/events/"),
        (Publish("devices/dev1/messages/eventsx", b""), "eventsx"),
        (Publish("$iothub/twin/GET/?$rid=1", b""), "twin"),
        (Publish(TOPIC + "a=%FF", b""), "UTF-8"),
        (Publish(TOPIC + "ab=cde", bytes(EVENT_BYTES - 4)), f"{EVENT_BYTES + 1} bytes"),
    ],
)
def test_what_is_no_telemetry_is_refused_in_words(packet: Publish, words: str) -> None:
    with pytest.raises(NotTelemetry, match=words.replace("$", r"\$")):
        telemetry("dev1", packet)


def test_a_message_of_exactly_the_limit_is_taken() -> None:
    assert len(sent("ab=cde", bytes(EVENT_BYTES - 5)).body) == EVENT_BYTES - 5


def test_a_commands_topic_holds_all_its_properties() -> None:
    command = replace(
        COMMAND,
        message_id="m/1",
        correlation_id="c",
        user_id="u",
        content_type="text/plain",
        content_encoding="utf-8",
        ack="full",
        expiry_ms=1_700_000_000_123,
        properties={"a b": "c&d", "none": None, "flag": True, "count": 2},
    )
    assert command_topic(command) == (
        "devices/dev1/messages/devicebound/%24.mid=m%2F1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound&%24.cid=c"
        "&%24.uid=u&%24.ct=text%2Fplain&%24.ce=utf-8&%24.exp=2023-11-14T22%3A13%3A20.123Z&iothub-ack=full"
        "&a%20b=c%26d&none&flag=true&count=2"
    )


def test_what_a_command_has_not_is_left_out() -> None:
    to = "%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound"
    assert command_topic(COMMAND) == f"devices/dev1/messages/devicebound/%24.to={to}"


@given(st.dictionaries(TEXT, TEXT))
def test_any_property_is_one_pair_of_ascii(properties: dict[str, str]) -> None:
    topic = command_topic(replace(COMMAND, properties=properties))
    assert topic.isascii()
    _, _, _, _, bag = topic.split("/")
    read = [tuple(unquote(half) for half in pair.split("=")) for pair in bag.split("&")]
    assert read[1:] == list(properties.items())
