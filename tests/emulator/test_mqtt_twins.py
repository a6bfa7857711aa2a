import json

import pytest

from tests.emulator import mqtt_client as client
from tests.emulator.mqtt_client import MqttClient
from tests.emulator.mqtt_fixtures import (  # noqa: F401  # fixtures are used by name
    certificate_fixture,
    connect_fixture,
    device_fixture,
    listener_fixture,
)
from tests.emulator.mqtt_listener import Listener

EMPTY = {"desired": {"$version": 1}, "reported": {"$version": 1}}


@pytest.mark.parametrize("answers", ["$iothub/twin/res/#", "$iothub/twin/#"])
def test_a_device_gets_its_twin_and_reports(listener: Listener, device: MqttClient, answers: str) -> None:
    device.send(client.subscribe(1, (answers, 0)), client.publish("$iothub/twin/GET/?$rid=7", packet_id=2))
    assert device.receive() == ("SUBACK", 1, [0])
    assert device.receive() == ("PUBACK", 2)
    kind, topic, body, *_ = device.receive()
    assert (kind, topic, json.loads(body)) == ("PUBLISH", "$iothub/twin/res/200/?$rid=7", EMPTY)
    device.send(client.publish("$iothub/twin/PATCH/properties/reported/?$rid=8", b'{"level":3}'))
    assert device.receive() == ("PUBLISH", "$iothub/twin/res/204/?$rid=8&$version=2", b"", 0, None, False)
    assert listener.published() == []


def test_without_a_subscription_there_is_no_answer_and_no_disconnect(listener: Listener, device: MqttClient) -> None:
    device.send(client.publish("$iothub/twin/GET/?$rid=7"), client.publish("$iothub/methods/res/200/?$rid=1", b"{}"))
    device.send(client.PING)
    assert device.receive() == ("PINGRESP",)
    assert listener.published() == []


def test_what_device_clients_subscribe_to_is_granted(device: MqttClient) -> None:
    filters = (
        "$iothub/methods/POST/#",
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/twin/PATCH/properties/desired/",
        "$iothub/streams/POST/#",
        "$iothub/commands/#",
    )
    device.send(client.subscribe(3, *((each, 1) for each in filters)))
    assert device.receive() == ("SUBACK", 3, [1] * len(filters))
