"""Where an IoT hub's events are, asked of the emulator; and answers that no hub should give."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.performatives import Error
from ingest.amqp.types import Symbol
from ingest.config import Checkpoints, Config, Hub, Secret
from ingest.config.connection_strings import IotHubAddress, event_hub
from ingest.emulator import Emulator
from ingest.errors import Refused, Unreachable
from ingest.hub import event_hubs
from ingest.hub.redirect import REDIRECT, Endpoint, ask, connection_string, redirected
from ingest.hub.service_errors import HubError

HUB = IotHubAddress("mine.azure-devices.net", None, "service", Secret("a2V5"))


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=2, c2d=True) as emulator:
        yield emulator


@pytest.fixture
def config(hub: Emulator, tmp_path: Path) -> Config:
    ends = hub.endpoints
    return Config(
        hub=Hub(iot_hub_connection_string=Secret(ends.iot_hub_connection_string), ca_file=Path(ends.ca_file)),
        checkpoints=Checkpoints(store="file", path=tmp_path),
    )


def told(**info: object) -> Error:
    return Error(condition=REDIRECT, info={Symbol(name.replace("_", "-")): value for name, value in info.items()})


def test_the_hub_names_the_endpoint_and_the_policy_s_key_opens_it(config: Config, hub: Emulator) -> None:
    found = ask(config)
    address = config.hub.iot_hub
    assert address is not None
    assert found.event_hub == hub.hub.name
    whole = replace(config, hub=replace(config.hub, event_hub_connection_string=connection_string(found, address)))
    assert event_hubs.partition_ids(whole) == ["0", "1"]


def test_a_wrong_key_is_refused_and_a_hub_that_is_not_there_passes(config: Config) -> None:
    text = config.hub.iot_hub_connection_string.reveal()
    for wrong, kind, words in (
        (text.replace("SharedAccessKey=", "SharedAccessKey=AAAA"), Refused, "refuses the token"),
        ("HostName=nowhere.invalid;SharedAccessKeyName=service;SharedAccessKey=a2V5", Unreachable, "nowhere.invalid"),
        ("HostName=localhost:9;SharedAccessKeyName=service;SharedAccessKey=a2V5", Unreachable, "localhost:9"),
    ):
        with pytest.raises(kind, match=words) as raised:
            ask(replace(config, hub=replace(config.hub, iot_hub_connection_string=Secret(wrong))))
        assert type(raised.value) is kind
        assert "a2V5" not in str(raised.value)


def test_what_the_real_service_says_is_read() -> None:
    """As in traces of it (issues azure-event-hubs#167 and azure-event-hubs-node#174)."""
    host = "iothub-ns-mine-1-0123456789.servicebus.windows.net"
    info = {
        "hostname": host,
        "network_host": host,
        "port": 5671,
        "address": f"amqps://{host}:5671/iothub-ehub-mine-1-0123456789/$management",
        "com.microsoft:tracking-id": "2d141ede-G:10",
    }
    found = redirected(told(**info), HUB)
    assert found == Endpoint(host, "iothub-ehub-mine-1-0123456789")
    address = event_hub(connection_string(found, HUB).reveal())
    assert (address.host, address.event_hub, address.policy) == (host, found.event_hub, "service")
    del info["hostname"], info["network_host"]
    assert redirected(told(**info), HUB) == found


@pytest.mark.parametrize(
    "error",
    [
        None,
        Error(condition="amqp:not-found", description="no such link"),
        Error(
            condition="amqp:not-found", info=told(hostname="h.servicebus.windows.net", address="amqps://h/name").info
        ),
        Error(condition=REDIRECT),
        told(hostname="h.servicebus.windows.net"),
        told(hostname="h.servicebus.windows.net", address="amqps://h.servicebus.windows.net/"),
        told(hostname="h;EntityPath=x", address="amqps://h/name"),
        told(hostname="h.servicebus.windows.net", address="amqps://h/a;UseDevelopmentEmulator=true"),
        told(hostname="h.servicebus.windows.net", address="amqps://h/name", port="many"),
        told(hostname=5, address=7),
        told(hostname="h.servicebus.windows.net", address="amqps://[h/name"),
        told(hostname="h.servicebus.windows.net", address="amqps://h/two words"),
    ],
)
def test_an_answer_that_names_no_endpoint_is_an_error_in_words(error: Error | None) -> None:
    with pytest.raises(HubError):
        redirected(error, HUB)


@given(
    st.dictionaries(
        st.sampled_from(["hostname", "network_host", "address", "port"]), st.text() | st.integers() | st.none()
    )
)
def test_no_answer_is_more_than_an_error(info: dict[str, object]) -> None:
    try:
        found = redirected(told(**info), HUB)
    except HubError:
        return
    assert event_hub(connection_string(found, HUB).reveal()).event_hub == found.event_hub
