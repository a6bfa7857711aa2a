import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.emulator.mqtt.packets import (
    Connect,
    ConnectCode,
    Disconnect,
    MqttError,
    Packet,
    PacketSplitter,
    PingReq,
    PubAck,
    Publish,
    Subscribe,
    UnknownLevel,
    Unsubscribe,
    connack,
    pingresp,
    suback,
    unsuback,
)
from tests.emulator import mqtt_client as client

LARGEST = 1000
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TOPIC = TEXT.filter(lambda text: text and not set(text) & set("#+"))
FILTER = TEXT.filter(bool)
ID = st.integers(1, 0xFFFF)
BODY = st.binary(max_size=300)
WILL = st.none() | st.tuples(TOPIC, BODY, st.integers(0, 2), st.booleans())


@st.composite
def connects(draw: st.DrawFn) -> tuple[bytes, Packet]:
    client_id, username = draw(TEXT), draw(st.none() | TEXT)
    password = None if username is None else draw(st.none() | TEXT)
    clean, keep_alive, will = draw(st.booleans()), draw(st.integers(0, 0xFFFF)), draw(WILL)
    made = client.connect(client_id, username, password, clean=clean, keep_alive=keep_alive, will=will)
    expected = None if will is None else Publish(will[0], will[1], will[2], retain=will[3])
    return made, Connect(client_id, username, password, clean, keep_alive, expected)


@st.composite
def publishes(draw: st.DrawFn) -> tuple[bytes, Packet]:
    topic, body, packet_id, retain = draw(TOPIC), draw(BODY), draw(st.none() | ID), draw(st.booleans())
    qos = 0 if packet_id is None else draw(st.integers(1, 2))
    duplicate = qos > 0 and draw(st.booleans())
    made = client.publish(topic, body, packet_id, qos=qos, retain=retain, duplicate=duplicate)
    return made, Publish(topic, body, qos, packet_id, retain, duplicate)


@st.composite
def subscribes(draw: st.DrawFn) -> tuple[bytes, Packet]:
    packet_id, filters = draw(ID), draw(st.lists(st.tuples(FILTER, st.integers(0, 2)), min_size=1, max_size=4))
    return client.subscribe(packet_id, *filters), Subscribe(packet_id, tuple(filters))


@st.composite
def unsubscribes(draw: st.DrawFn) -> tuple[bytes, Packet]:
    packet_id, filters = draw(ID), draw(st.lists(FILTER, min_size=1, max_size=4))
    return client.unsubscribe(packet_id, *filters), Unsubscribe(packet_id, tuple(filters))


PACKET = (
    connects()
    | publishes()
    | subscribes()
    | unsubscribes()
    | ID.map(lambda number: (client.puback(number), PubAck(number)))
    | st.sampled_from([(client.PING, PingReq()), (client.LEAVE, Disconnect())])
)


def split(pieces: Iterable[bytes], largest: int = LARGEST) -> list[Packet]:
    splitter = PacketSplitter(largest)
    return [packet for piece in pieces for packet in splitter.feed(piece)]


def one(data: bytes) -> Packet:
    (packet,) = split([data])
    return packet


@given(st.lists(PACKET, max_size=5), st.data())
def test_what_a_client_sends_is_read_however_it_is_cut(sent: list[tuple[bytes, Packet]], data: st.DataObject) -> None:
    stream = b"".join(encoded for encoded, _ in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert split(pieces) == [packet for _, packet in sent]


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_an_mqtt_error(data: bytes) -> None:
    with contextlib.suppress(MqttError):
        split([data])


@given(PACKET, st.data())
def test_a_damaged_packet_is_a_packet_or_an_mqtt_error(sent: tuple[bytes, Packet], data: st.DataObject) -> None:
    damaged = bytearray(sent[0])
    index = data.draw(st.integers(0, len(damaged) - 1))
    damaged[index] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(MqttError):
        split([bytes(damaged)])


@given(publishes())
def test_a_client_reads_what_the_server_publishes(sent: tuple[bytes, Packet]) -> None:
    encoded, packet = sent
    assert isinstance(packet, Publish)
    assert packet.encode() == encoded


@given(ID, st.lists(st.sampled_from([0, 1, 0x80]), min_size=1, max_size=200))
def test_a_client_reads_the_other_answers(number: int, codes: list[int]) -> None:
    assert PubAck(number).encode() == client.puback(number)
    assert suback(number, codes) == client.packet(0x90, number.to_bytes(2, "big"), bytes(codes))
    assert unsuback(number) == client.packet(0xB0, number.to_bytes(2, "big"))
    assert pingresp() == b"\xd0\x00"


def test_a_connack_has_the_two_bytes_of_the_standard() -> None:
    assert connack(ConnectCode.ACCEPTED, session_present=True) == b"\x20\x02\x01\x00"
    assert connack(ConnectCode.NOT_AUTHORISED) == b"\x20\x02\x00\x05"


def test_the_sizes_of_the_standards_table_are_encoded_as_there() -> None:
    for size, head in ((127, b"\x7f"), (128, b"\x80\x01"), (16_383, b"\xff\x7f"), (16_384, b"\x80\x80\x01")):
        encoded = Publish("t", bytes(size - 3)).encode()
        assert encoded.startswith(b"\x30" + head + b"\x00\x01t")
        assert split([encoded], 20_000) == [Publish("t", bytes(size - 3))]


def test_a_topic_that_has_no_room_is_an_error() -> None:
    with pytest.raises(OverflowError):
        Publish("t" * 65_536, b"").encode()


def test_a_size_above_the_limit_is_an_error_before_the_packet_has_come() -> None:
    assert split([client.packet(0x30, client.text("t"), bytes(LARGEST - 3))])
    with pytest.raises(MqttError, match="1001 bytes; 1000 are allowed"):
        split([client.packet(0x30, client.text("t"), bytes(LARGEST - 2))[:3]])


def test_good_packets_before_a_bad_one_are_given_first() -> None:
    packets = PacketSplitter(LARGEST).feed(client.PING + client.puback(7) + b"\x00\x00" + client.PING)
    assert (next(packets), next(packets)) == (PingReq(), PubAck(7))
    with pytest.raises(MqttError):
        next(packets)


def test_a_password_is_not_shown_and_need_not_be_text() -> None:
    connect = one(client.connect(password=b"\xff\xfe"))
    assert isinstance(connect, Connect)
    assert connect.password == "\ufffd\ufffd"
    assert "\ufffd" not in repr(connect)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc0\xff\xff\xff\xff", id="size of five bytes"),
        pytest.param(b"\x00\x00", id="type 0"),
        pytest.param(b"\xf0\x00", id="type 15"),
        pytest.param(b"\x20\x02\x00\x00", id="a server's packet"),
        pytest.param(b"\xc1\x00", id="ping with flags"),
        pytest.param(b"\xc0\x01\x00", id="ping with content"),
        pytest.param(client.packet(0x80, b"\x00\x01", client.text("t"), b"\x00"), id="subscribe without its flags"),
        pytest.param(client.packet(0x82, b"\x00\x00", client.text("t"), b"\x00"), id="subscribe with packet id 0"),
        pytest.param(client.packet(0x82, b"\x00\x01"), id="subscribe to nothing"),
        pytest.param(client.subscribe(1, ("", 0)), id="subscribe to an empty filter"),
        pytest.param(client.subscribe(1, ("t", 3)), id="subscribe with QoS 3"),
        pytest.param(client.packet(0xA2, b"\x00\x01"), id="unsubscribe from nothing"),
        pytest.param(client.puback(1)[:-1].replace(b"\x02", b"\x01"), id="puback with half an id"),
        pytest.param(client.publish("t", packet_id=1, qos=3), id="publish with QoS 3"),
        pytest.param(client.publish("t", qos=0, duplicate=True), id="duplicate with QoS 0"),
        pytest.param(client.publish("t/#"), id="publish to a wildcard"),
        pytest.param(client.publish("a/+/b"), id="publish to another wildcard"),
        pytest.param(client.publish(""), id="publish to nowhere"),
        pytest.param(client.publish("t", packet_id=0), id="publish with packet id 0"),
        pytest.param(client.packet(0x30, client.text(b"\xff")), id="topic not UTF-8"),
        pytest.param(client.packet(0x30, client.text(b"\xed\xa0\x80")), id="topic with a surrogate"),
        pytest.param(client.publish("a\0b"), id="topic with U+0000"),
        pytest.param(client.packet(0x30, b"\x00\x05t"), id="topic longer than the packet"),
        pytest.param(client.connect().replace(b"MQTT", b"MQTX"), id="another protocol"),
        pytest.param(client.connect(username=None, password="p"), id="password without user"),
        pytest.param(client.connect(will=("t", b"", 3, False)), id="will with QoS 3"),
        pytest.param(
            client.packet(0x10, client.text("MQTT"), b"\x04\x20\x00\x00", client.text("d")), id="no will, kept"
        ),
        pytest.param(
            client.packet(0x10, client.text("MQTT"), b"\x04\x01\x00\x00", client.text("d")), id="reserved flag"
        ),
        pytest.param(
            client.packet(0x10, client.text("MQTT"), b"\x04\x00\x00\x00", client.text("d"), b"x"), id="left over"
        ),
    ],
)
def test_violations_of_the_standard_are_errors(data: bytes) -> None:
    with pytest.raises(MqttError):
        split([data])


def test_another_version_is_told_apart() -> None:
    with pytest.raises(UnknownLevel, match="level 5"):
        split([client.connect(level=5)])
