import pytest

from ingest.emulator.c2d.hub import LOCK_SECONDS
from ingest.emulator.conditions import End
from ingest.emulator.mqtt.connection import MOST_UNACKNOWLEDGED, MqttConnection, Session
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

COMMANDS = "devices/dev1/messages/devicebound/#"
TO = "devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound"


def subscribe(device: MqttClient, qos: int = 1) -> None:
    device.send(client.subscribe(1, (COMMANDS, qos)))
    assert device.receive() == ("SUBACK", 1, [qos])


def command(body: bytes, packet_id: int, *, duplicate: bool = False) -> tuple[object, ...]:
    return "PUBLISH", TO, body, 1, packet_id, duplicate


def test_subscriptions_are_granted_up_to_qos_1_and_only_to_the_devices_own(device: MqttClient) -> None:
    filters = [(COMMANDS, 2), ("$iothub/twin/res/#", 0), ("$iothub/methods/POST/#", 1)]
    device.send(client.subscribe(5, *filters, ("devices/dev2/messages/devicebound/#", 1), ("#", 1)))
    assert device.receive() == ("SUBACK", 5, [1, 0, 1, 0x80, 0x80])


def test_commands_before_and_after_the_subscription_arrive_in_order(listener: Listener, device: MqttClient) -> None:
    listener.command(b"early")
    listener.command(b"not for dev1", "dev2")
    subscribe(device)
    assert device.receive() == command(b"early", 1)
    listener.command(b"late", message_id="m1", properties={"a": "b"})
    assert device.receive() == ("PUBLISH", TO.replace("%24.to", "%24.mid=m1&%24.to") + "&a=b", b"late", 1, 2, False)
    assert listener.commands.ended.wait(0) == []
    device.send(client.puback(2), client.puback(1))
    assert listener.commands.ended.wait(2) == [(b"late", End.COMPLETED), (b"early", End.COMPLETED)]


def test_with_qos_0_a_command_is_complete_when_it_is_sent(listener: Listener, device: MqttClient) -> None:
    subscribe(device, qos=0)
    listener.command(b"go")
    assert device.receive() == ("PUBLISH", TO, b"go", 0, None, False)
    assert listener.commands.ended.wait(1) == [(b"go", End.COMPLETED)]


def test_no_more_than_so_many_commands_are_on_their_way(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    for index in range(MOST_UNACKNOWLEDGED):
        listener.command(b"%d" % index)
        assert device.receive() == command(b"%d" % index, index + 1)
    listener.call(lambda: listener.commands.purge("dev1"))
    listener.command(b"one more")
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)
    device.send(client.puback(3))
    assert device.receive() == command(b"one more", MOST_UNACKNOWLEDGED + 1)


def test_acknowledgements_of_nothing_do_no_harm(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    listener.command(b"go")
    assert device.receive() == command(b"go", 1)
    device.send(client.puback(99), client.puback(1), client.puback(1), client.PING)
    assert device.receive() == ("PINGRESP",)
    assert listener.commands.ended.wait(1) == [(b"go", End.COMPLETED)]


def test_after_unsubscribing_commands_wait(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    device.send(client.unsubscribe(2, COMMANDS, "never/subscribed"))
    assert device.receive() == ("UNSUBACK", 2)
    listener.command(b"later")
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)
    subscribe(device)
    assert device.receive() == command(b"later", 1)


def test_packet_identifiers_start_again_and_skip_those_in_use() -> None:
    session = Session(packet_ids={5: 1}, last_packet_id=0xFFFE)
    assert session.packet_id(8) == (0xFFFF, False)
    assert session.packet_id(9) == (2, False)
    assert session.packet_id(5) == (1, True)


@pytest.mark.parametrize("leave", [True, False])
def test_a_lasting_session_gets_again_what_was_not_acknowledged(listener: Listener, connect: Open, leave: bool) -> None:
    device = connect()
    assert device.enter(clean=False) == ACCEPTED
    subscribe(device)
    for body in (b"one", b"two", b"three"):
        listener.command(body)
    assert [device.receive() for _ in range(3)] == [command(b"one", 1), command(b"two", 2), command(b"three", 3)]
    device.send(client.puback(2))
    listener.commands.ended.wait(1)
    if leave:
        device.send(client.LEAVE)
    else:
        listener.abort("dev1")
    assert device.ended()
    listener.command(b"four")
    again = connect()
    assert again.enter(clean=False) == ("CONNACK", True, 0)
    assert again.receive() == command(b"one", 1, duplicate=True)
    assert again.receive() == command(b"three", 3, duplicate=True)
    assert again.receive() == command(b"four", 4)
    again.send(client.puback(1), client.puback(3), client.puback(4))
    ended = listener.commands.ended.wait(4)
    assert ended == [(body, End.COMPLETED) for body in (b"two", b"one", b"three", b"four")]


def test_a_session_does_not_remember_commands_that_ended_elsewhere(listener: Listener) -> None:
    def connect() -> MqttConnection:
        connection = MqttConnection(listener.server)
        connection.connection_made(Transport())
        connection.data_received(client.connect(password=listener.devices.token("dev1"), clean=False))
        return connection

    def drive() -> Session:
        connection = connect()
        connection.data_received(client.subscribe(1, (COMMANDS, 1)))
        connection.connection_lost(None)
        for _ in range(2):
            listener.commands.purge("dev1")
            connect().connection_lost(None)
        connection = connect()
        session, _ = listener.server.let_in(connection, "dev1", clean=False)
        connection.connection_lost(None)
        return session

    listener.command(b"go")
    assert listener.call(drive).packet_ids == {}


def test_the_second_connection_gets_what_the_first_has_not_acknowledged(
    listener: Listener, device: MqttClient, connect: Open
) -> None:
    subscribe(device)
    listener.command(b"go")
    assert device.receive() == command(b"go", 1)
    second = connect()
    assert second.enter() == ACCEPTED
    subscribe(second)
    assert second.receive() == command(b"go", 1)


def test_a_clean_session_forgets_subscriptions(listener: Listener, connect: Open) -> None:
    first = connect()
    assert first.enter(clean=False) == ACCEPTED
    subscribe(first)
    second = connect()
    assert second.enter(clean=True) == ACCEPTED
    listener.command(b"go")
    second.send(client.PING)
    assert second.receive() == ("PINGRESP",)
    third = connect()
    assert third.enter(clean=False) == ACCEPTED


def test_an_acknowledgement_after_the_lock_ran_out_is_too_late(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    listener.command(b"go")
    assert device.receive() == command(b"go", 1)
    listener.clock.now += LOCK_SECONDS
    device.send(client.puback(1))
    assert device.receive() == command(b"go", 2)
    assert listener.commands.ended.wait(0) == []
    device.send(client.puback(2))
    assert listener.commands.ended.wait(1) == [(b"go", End.COMPLETED)]


def test_a_command_that_is_delivered_again_meanwhile_is_the_same_packet(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    listener.command(b"go")
    assert device.receive() == command(b"go", 1)
    listener.clock.now += LOCK_SECONDS
    listener.call(listener.commands.tick)
    assert device.receive() == command(b"go", 1, duplicate=True)
    device.send(client.puback(1))
    assert listener.commands.ended.wait(1) == [(b"go", End.COMPLETED)]


def test_a_command_whose_properties_do_not_fit_a_topic_is_rejected(listener: Listener, device: MqttClient) -> None:
    listener.command(b"too much", properties={"p": "&" * 30_000})
    listener.command(b"fits")
    subscribe(device)
    assert device.receive() == command(b"fits", 1)
    assert listener.commands.ended.wait(1) == [(b"too much", End.REJECTED)]


def test_commands_that_socket_buffers_cannot_hold_all_come_in_the_end(listener: Listener, device: MqttClient) -> None:
    subscribe(device)
    for _ in range(MOST_UNACKNOWLEDGED):
        listener.command(bytes(60_000))
    received = [device.receive() for _ in range(MOST_UNACKNOWLEDGED)]
    assert [packet[4] for packet in received] == list(range(1, MOST_UNACKNOWLEDGED + 1))


def test_a_device_that_does_not_read_gets_nothing_more_and_is_not_read_from(listener: Listener) -> None:
    def drive() -> None:
        connection, transport = MqttConnection(listener.server), Transport()
        connection.connection_made(transport)
        connection.data_received(client.connect(password=listener.devices.token("dev1")))
        connection.data_received(client.subscribe(1, (COMMANDS, 1)))
        assert len(transport.written) == 2
        connection.pause_writing()
        assert not transport.reading
        listener.command(b"go")
        connection.pump()
        assert len(transport.written) == 2
        connection.resume_writing()
        assert transport.reading
        assert [client.decode(data[0], data[2:]) for data in transport.written[2:]] == [command(b"go", 1)]
        connection.connection_lost(None)

    listener.call(drive)
