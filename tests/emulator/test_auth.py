"""Who gets in: tokens on $cbs, what they open, and what happens when they end."""

from collections.abc import Iterator

import pytest
from azure.eventhub import EventHubConsumerClient
from azure.eventhub.exceptions import AuthenticationError

from ingest.amqp.performatives import Detach, Error
from ingest.emulator import Emulator
from ingest.emulator.amqp.authorization import is_of_iot_hub
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import attach, refusal

NOW = 1_800_000_000
SECONDS = 10.0


class FakeClock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def emulator(clock: FakeClock) -> Iterator[Emulator]:
    with Emulator(partitions=1, clock=clock) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[RawClient]:
    with RawClient(emulator.endpoints.amqp) as connected:
        connected.open()
        yield connected


def token(emulator: Emulator, audience: str, *, key: str = "", policy: str = POLICY, expiry: int = NOW + 60) -> str:
    return sign(audience, (key or emulator.keys.service).encode(), expiry, policy)


def test_a_good_token_is_accepted(emulator: Emulator, client: RawClient) -> None:
    audience = f"sb://made-up.servicebus.windows.net/{emulator.hub.name}/consumergroups/$default"
    assert client.put_token(audience, token(emulator, audience)) == (202, "Accepted")
    attach(client, emulator)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"key": "d3Jvbmc="}, "InvalidSignature"),
        ({"policy": "nobody"}, "InvalidSignature"),
        ({"expiry": NOW - 1}, "ExpiredToken"),
    ],
)
def test_a_bad_token_is_refused_with_the_reason(
    emulator: Emulator, client: RawClient, arguments: dict[str, object], reason: str
) -> None:
    audience = f"sb://h/{emulator.hub.name}"
    status, description = client.put_token(audience, token(emulator, audience, **arguments))  # type: ignore[arg-type]  # parametrized
    assert status == 401
    assert reason in description
    assert emulator.keys.service not in description
    client.attach_receiver(emulator.hub.name)
    assert refusal(client).condition == "amqp:unauthorized-access"


@pytest.mark.parametrize("text", ["", "SharedAccessSignature sr=x", "Bearer abc"])
def test_what_is_no_token_is_refused(emulator: Emulator, client: RawClient, text: str) -> None:
    assert client.put_token(f"sb://h/{emulator.hub.name}", text)[0] == 401


def test_a_token_for_something_else_is_refused(emulator: Emulator, client: RawClient) -> None:
    status, description = client.put_token(f"sb://h/{emulator.hub.name}", token(emulator, "sb://h/other"))
    assert status == 401
    assert "InvalidAudience" in description


def test_a_token_opens_what_it_names_and_no_more(emulator: Emulator, client: RawClient) -> None:
    audience = f"sb://h/{emulator.hub.name}/consumergroups/other"
    assert client.put_token(audience, token(emulator, audience))[0] == 202
    client.attach_receiver(emulator.hub.name)
    assert refusal(client).condition == "amqp:unauthorized-access"


def test_without_a_token_nothing_opens(emulator: Emulator, client: RawClient) -> None:
    client.attach_receiver(emulator.hub.name)
    error = refusal(client)
    assert error.condition == "amqp:unauthorized-access"
    assert "'Listen' claim(s) are required" in str(error.description)


@pytest.mark.parametrize(
    ("audience", "of_iot_hub"),
    [
        ("hub.azure-devices.net", True),
        ("https://hub.azure-devices.net", True),
        ("hub.azure-devices.net%2Fdevices%2Fd", True),
        ("amqps://hub.azure-devices.net/messages/devicebound", True),
        ("amqps://hub.azure-devices.net/messages/serviceBound/feedback", True),
        ("amqps://ns.servicebus.windows.net/hub/$management", False),
        ("amqp://ns.servicebus.windows.net/hub", False),
        ("SB://ns.servicebus.windows.net/messages/consumergroups/$default", False),
    ],
)
def test_an_audience_tells_whose_key_it_is(audience: str, of_iot_hub: bool) -> None:
    assert is_of_iot_hub(audience) is of_iot_hub


def test_links_end_with_their_token(emulator: Emulator, client: RawClient, clock: FakeClock) -> None:
    client.authorize(emulator.keys.service, emulator.hub.name, expiry=NOW + 60)
    attach(client, emulator)
    clock.now = NOW + 59
    client.flow(0, 1)
    emulator.send("d", b"x")
    emulator.wait_for(lambda stats: stats.delivered == 1, SECONDS)
    clock.now = NOW + 61
    detach = client.receive(Detach)
    assert isinstance(detach.error, Error)
    assert detach.error.condition == "amqp:unauthorized-access"
    assert "ExpiredToken" in str(detach.error.description)
    client.attach_receiver(emulator.hub.name, handle=1)
    assert "ExpiredToken" in str(refusal(client).description)


def test_a_new_token_keeps_links_alive(emulator: Emulator, client: RawClient, clock: FakeClock) -> None:
    client.authorize(emulator.keys.service, emulator.hub.name, expiry=NOW + 60)
    attach(client, emulator)
    clock.now = NOW + 50
    client.send(Detach(handle=100, closed=True))
    client.send(Detach(handle=101, closed=True))
    client.authorize(emulator.keys.service, emulator.hub.name, expiry=NOW + 120)
    clock.now = NOW + 100
    client.flow(0, 1)
    emulator.send("d", b"x")
    emulator.wait_for(lambda stats: stats.delivered == 1 and stats.receivers == 1, SECONDS)


def test_the_stock_client_says_401(emulator: Emulator, clock: FakeClock) -> None:
    text = emulator.endpoints.event_hub_connection_string.replace(emulator.keys.service, "d3Jvbmc=")
    with (
        EventHubConsumerClient.from_connection_string(text, "$Default", retry_total=0) as stock,
        pytest.raises(AuthenticationError, match="401"),
    ):
        stock.get_eventhub_properties()


def test_the_stock_client_gets_in_with_the_right_key() -> None:
    with Emulator(partitions=1) as emulator:
        text = emulator.endpoints.event_hub_connection_string
        with EventHubConsumerClient.from_connection_string(text, "$Default", retry_total=0) as stock:
            assert stock.get_partition_ids() == ["0"]


def test_keys_are_not_shown(emulator: Emulator) -> None:
    assert emulator.keys.service not in repr(emulator.keys) + repr(emulator.endpoints)
