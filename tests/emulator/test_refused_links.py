"""What is not served here says what to do instead, to whoever asks."""

from collections.abc import Callable

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from ingest.amqp.performatives import RECEIVER, SENDER, Attach, Source, Target
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import attach, refusal

Connect = Callable[..., RawClient]
NEVER = 4_000_000_000


def test_a_stock_producer_is_told_where_events_come_from(emulator: Emulator) -> None:
    text = emulator.endpoints.event_hub_connection_string
    with EventHubProducerClient.from_connection_string(text, retry_total=0) as producer:
        with pytest.raises(EventHubError) as caught:
            producer.send_batch([EventData("x")])
        assert producer.get_partition_ids() == ["0", "1"]
    for words in ("'Send' claim(s) are required", "MQTT or HTTPS", f"POST {emulator.endpoints.control}/send"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "{hub}",
        "/{hub}",
        "amqps://anywhere/{hub}",
        "{hub}/Partitions/1",
        "{hub}/Publishers/me",
        "sb://anywhere:5671/{HUB}",
    ],
)
def test_no_link_of_a_producer_is_opened(emulator: Emulator, connect: Connect, address: str) -> None:
    client, hub = connect(), emulator.hub.name
    target = Target(address=address.format(hub=hub, HUB=hub.upper()))
    client.send(Attach(name="p", handle=0, role=SENDER, target=target, initial_delivery_count=0))
    error = refusal(client)
    assert error.condition == "amqp:unauthorized-access"
    assert "'Send' claim(s) are required" in str(error.description)


@pytest.mark.parametrize(
    ("role", "address"),
    [
        (SENDER, "/devices/d/messages/events"),
        (RECEIVER, "amqps://localhost/devices/d/messages/devicebound"),
        (SENDER, "/devices/d%2Fx/modules/m/messages/events"),
        (RECEIVER, "/devices/d/twin/"),
        (RECEIVER, "/devices/d/methods/devicebound"),
    ],
)
def test_a_device_is_told_which_transports_there_are(emulator: Emulator, role: bool, address: str) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.open(plain=("d@sas.localhost", emulator.device_sas("d")))
        ends = Source(address=address), Target(address=address)
        client.send(Attach(name="d", handle=0, role=role, source=ends[0], target=ends[1], initial_delivery_count=0))
        error = refusal(client)
    assert error.condition == "amqp:not-implemented"
    assert "MQTT (port 8883) and HTTPS" in str(error.description)


@pytest.mark.parametrize(
    "audience", ["localhost/devices/d", "localhost%2Fdevices%2Fd", "https://localhost/devices/d/modules/m"]
)
def test_so_is_one_that_puts_a_token(emulator: Emulator, audience: str) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.open()
        status, said = client.put_token(audience, emulator.device_sas("d"))
    assert status == 501
    assert "MQTT (port 8883) and HTTPS" in said


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("amqps://h/messages/events/$management", "/$management"),
        ("/messages/events/ConsumerGroups/$Default/Partitions/0", "/ConsumerGroups/$Default/Partitions/0"),
        ("messages/Events", ""),
    ],
)
def test_a_reader_of_iot_hubs_own_name_is_sent_to_the_event_hub(emulator: Emulator, address: str, there: str) -> None:
    """As Microsoft's samples do that turn IoT Hub's connection string into one for Event Hubs clients."""
    key = emulator.keys.iot_hub_key("service")
    assert key is not None
    with RawClient(emulator.endpoints.amqp) as client:
        client.open(plain=("service@sas.root.localhost", sign("localhost/messages/events", key, NEVER, "service")))
        client.attach_address(address)
        error = refusal(client)
    assert error.condition == "amqp:link:redirect"
    assert error.info == {
        "hostname": "localhost",
        "network-host": "localhost",
        "port": 5671,
        "address": f"amqps://localhost:5671/{emulator.hub.name}{there}",
    }


def test_a_reader_without_a_token_is_not_sent_anywhere(connect: Connect) -> None:
    client = connect()
    client.attach_address("/messages/events/$management")
    assert refusal(client).condition == "amqp:unauthorized-access"


@pytest.mark.parametrize(
    "audience", ["amqps://h/messages/devicebound", "https://h/messages/devicebound", "h", "https://h"]
)
def test_services_name_their_audience_in_several_ways(emulator: Emulator, audience: str) -> None:
    key = emulator.keys.iot_hub_key("service")
    assert key is not None
    with RawClient(emulator.endpoints.amqp) as client:
        client.open()
        assert client.put_token(audience, sign("h", key, NEVER, "service"))[0] == 200
        target = Target(address="/messages/devicebound")
        client.send(Attach(name="c", handle=1, role=SENDER, target=target, source=Source()))
        assert client.receive_attach().target is not None


def test_the_key_of_event_hubs_opens_event_hubs_alone(emulator: Emulator) -> None:
    with RawClient(emulator.endpoints.amqp) as client:
        client.open(plain=("service", emulator.keys.service))
        attach(client, emulator)
        client.send(Attach(name="c", handle=1, role=SENDER, target=Target(address="/messages/devicebound")))
        assert refusal(client).condition == "amqp:unauthorized-access"


def test_a_token_of_iot_hub_as_password_opens_iot_hub_alone(emulator: Emulator) -> None:
    key = emulator.keys.iot_hub_key("service")
    assert key is not None
    with RawClient(emulator.endpoints.amqp) as client:
        client.open(plain=("service@sas.root.localhost", sign("localhost", key, NEVER, "service")))
        client.send(
            Attach(name="c", handle=1, role=SENDER, target=Target(address="/messages/devicebound"), source=Source())
        )
        assert client.receive_attach().target is not None
        client.attach_receiver(emulator.hub.name)
        assert refusal(client).condition == "amqp:unauthorized-access"
