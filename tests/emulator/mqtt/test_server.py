import socket

import pytest

from ingest.emulator.amqp.sas import sign
from ingest.emulator.certificate import Certificate
from ingest.emulator.mqtt.connection import CONNECT_SECONDS, MqttConnection
from ingest.hub.limits import EVENT_BYTES
from tests.emulator import mqtt_client as client
from tests.emulator.mqtt_client import ACCEPTED, MqttClient
from tests.emulator.mqtt_fixtures import (  # noqa: F401  # fixtures are used by name
    Open,
    certificate_fixture,
    connect_fixture,
    device_fixture,
    listener_fixture,
)
from tests.emulator.mqtt_listener import Listener
from tests.emulator.mqtt_transport import Transport

EVENTS = "devices/dev1/messages/events/"
NOT_AUTHORISED = ("CONNACK", False, 5)


# Letting in.


@pytest.mark.parametrize(
    ("client_id", "username", "password"),
    [
        ("dev1", "hub/dev1", "nonsense"),
        ("dev1", "hub/dev1", None),
        ("dev1", None, None),
        ("dev1", "hub/dev2", "good"),
        ("dev1", "dev1", "good"),
        ("dev1", "hub/dev1", "wrong key"),
        ("dev1", "hub/dev1", "dev2's"),
        ("dev9", "hub/dev9", "good"),
        ("dev1/module", "hub/dev1/module", "good"),
    ],
)
def test_who_is_not_the_device_is_refused(
    listener: Listener,
    connect: Open,
    caplog: pytest.LogCaptureFixture,
    client_id: str,
    username: str | None,
    password: str | None,
) -> None:
    passwords = {
        "good": listener.devices.token("dev1"),
        "dev2's": listener.devices.token("dev2"),
        "wrong key": sign("hub/devices/dev1", b"another key", int(listener.clock.now) + 60),
    }
    stranger = connect()
    stranger.send(client.connect(client_id, username, passwords.get(password or "", password)))
    assert stranger.receive() == NOT_AUTHORISED
    assert stranger.ended()
    assert "is not served" in caplog.text
    assert "sig=" not in caplog.text


def test_an_expired_token_is_refused(listener: Listener, connect: Open) -> None:
    token = listener.devices.token("dev1", 60)
    listener.clock.now += 60
    late = connect()
    late.send(client.connect(password=token))
    assert late.receive() == NOT_AUTHORISED


def test_a_client_without_an_id_is_refused(connect: Open) -> None:
    nameless = connect()
    nameless.send(client.connect(client_id=""))
    assert nameless.receive() == ("CONNACK", False, 2)
    assert nameless.ended()


def test_another_mqtt_version_is_refused_by_its_own_code(connect: Open) -> None:
    modern = connect()
    modern.send(client.connect(level=5))
    assert modern.receive() == ("CONNACK", False, 1)
    assert modern.ended()


def test_a_client_that_says_nothing_is_disconnected(listener: Listener, connect: Open) -> None:
    silent = connect()
    listener.monotonic.now += CONNECT_SECONDS + 0.1
    listener.tick()
    assert silent.ended()


def test_a_client_that_never_ends_its_connect_is_disconnected_too(listener: Listener) -> None:
    def drive() -> None:
        connection, transport = MqttConnection(listener.server), Transport()
        connection.connection_made(transport)
        listener.monotonic.now += CONNECT_SECONDS
        connection.data_received(client.connect()[:5])
        connection.tick()
        assert not transport.closed
        listener.monotonic.now += 0.1
        connection.tick()
        assert transport.closed
        connection.connection_lost(None)

    listener.call(drive)


@pytest.mark.parametrize("first", [client.PING, client.publish(EVENTS), client.LEAVE])
def test_who_does_not_start_with_connect_is_disconnected(connect: Open, first: bytes) -> None:
    rude = connect()
    rude.send(first)
    assert rude.ended()


# Staying.


def test_a_ping_is_answered(device: MqttClient) -> None:
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)


@pytest.mark.parametrize(
    "wrong",
    [
        client.connect(),
        client.publish(EVENTS, packet_id=1, qos=2),
        client.publish("devices/dev2/messages/events/"),
        client.publish("$iothub/twin/POST/?$rid=1"),
        client.publish(EVENTS + "%FF=1"),
        client.publish(EVENTS, bytes(EVENT_BYTES + 1)),
        b"\x30\xff\xff\xff\x7f",
        b"\xc3\x00",
    ],
)
def test_a_violation_ends_the_connection_and_nothing_is_published(
    listener: Listener, device: MqttClient, wrong: bytes
) -> None:
    device.send(wrong, client.publish(EVENTS, b"behind it"))
    assert device.ended()
    assert listener.published() == []


def test_keep_alive_is_enforced_at_one_and_a_half(listener: Listener, connect: Open) -> None:
    device = connect()
    assert device.enter(keep_alive=10) == ACCEPTED
    for _ in range(3):
        listener.monotonic.now += 14.9
        listener.tick()
        device.send(client.PING)
        assert device.receive() == ("PINGRESP",)
    listener.monotonic.now += 15.1
    listener.tick()
    assert device.ended()


def test_without_keep_alive_silence_is_no_offence(listener: Listener, device: MqttClient) -> None:
    listener.monotonic.now += 1e6
    listener.tick()
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)


def test_a_device_is_disconnected_when_its_token_expires(listener: Listener, connect: Open) -> None:
    device = connect()
    device.send(client.connect(password=listener.devices.token("dev1", 3600)))
    assert device.receive() == ACCEPTED
    listener.clock.now += 3590
    listener.tick()
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)
    listener.clock.now += 10
    listener.tick()
    assert device.ended()


def test_a_second_connection_ends_the_first(listener: Listener, device: MqttClient, connect: Open) -> None:
    second = connect()
    assert second.enter() == ACCEPTED
    assert device.ended()
    second.send(client.PING)
    assert second.receive() == ("PINGRESP",)
    assert listener.connected() == {"dev1"}


def test_devices_do_not_disturb_each_other(listener: Listener, device: MqttClient, connect: Open) -> None:
    other = connect()
    assert other.enter("dev2") == ACCEPTED
    assert listener.connected() == {"dev1", "dev2"}
    device.send(client.LEAVE, client.publish(EVENTS, b"behind it"))
    assert device.ended()
    assert listener.published() == []
    assert listener.commands.subscriptions == 1
    other.send(client.PING)
    assert other.receive() == ("PINGRESP",)
    assert listener.abort("dev2")
    assert other.ended()


def test_who_is_not_there_cannot_be_aborted(listener: Listener) -> None:
    assert not listener.abort("dev1")


# Telemetry.


def test_telemetry_is_acknowledged_once_it_is_published(listener: Listener, device: MqttClient) -> None:
    device.send(
        client.publish(EVENTS + "%24.mid=m1&%24.ct=text%2Fplain&level=hot", b"one", 7),
        client.publish(EVENTS, b"two"),
        client.publish("devices/dev1/messages/events", b"three", 9, retain=True, duplicate=True),
    )
    assert device.receive() == ("PUBACK", 7)
    assert device.receive() == ("PUBACK", 9)
    assert listener.telemetry.wait(3) == [
        {
            "device_id": "dev1",
            "body": b"one",
            "message_id": "m1",
            "content_type": "text/plain",
            "properties": {"level": "hot"},
        },
        {"device_id": "dev1", "body": b"two", "properties": {}},
        {"device_id": "dev1", "body": b"three", "properties": {"mqtt-retain": "true"}},
    ]


def test_the_largest_message_arrives(listener: Listener, device: MqttClient) -> None:
    body = bytes(EVENT_BYTES)
    device.send(client.publish(EVENTS, body, 1))
    assert device.receive() == ("PUBACK", 1)
    assert listener.telemetry.wait(1)[0]["body"] == body


def test_a_will_is_published_when_the_device_is_lost(listener: Listener, connect: Open) -> None:
    device = connect()
    assert device.enter(will=(EVENTS + "why=lost", b"bye", 1, False)) == ACCEPTED
    listener.abort("dev1")
    properties = {"why": "lost", "iothub-MessageType": "Will"}
    assert listener.telemetry.wait(1) == [{"device_id": "dev1", "body": b"bye", "properties": properties}]


def test_a_will_is_not_published_when_the_device_takes_leave(listener: Listener, connect: Open) -> None:
    device = connect()
    assert device.enter(will=(EVENTS, b"bye", 0, False)) == ACCEPTED
    device.send(client.LEAVE)
    assert device.ended()
    assert listener.published() == []


def test_a_will_that_could_not_be_published_is_refused(connect: Open) -> None:
    device = connect()
    assert device.enter(will=("elsewhere", b"", 0, False)) == NOT_AUTHORISED


# The end.


def test_closing_disconnects_everybody_and_publishes_no_wills(certificate: Certificate) -> None:
    with Listener(certificate) as listener, MqttClient(listener) as device, MqttClient(listener) as stranger:
        assert device.enter(will=(EVENTS, b"bye", 0, False)) == ACCEPTED
        listener.close()
        assert device.ended()
        assert stranger.ended()
        assert listener.published() == []


def test_a_port_that_is_taken_is_an_error(certificate: Certificate) -> None:
    with Listener(certificate) as first:
        second = Listener(certificate, port=first.port)
        with pytest.raises(OSError, match="address already in use"):
            second.__enter__()


def test_a_client_that_does_not_speak_tls_gets_nothing(listener: Listener) -> None:
    with socket.create_connection((listener.host, listener.port), 10) as plain:
        plain.sendall(client.connect())
        plain.settimeout(10)
        received = plain.recv(100)
    assert not received or received[0] == 0x15
