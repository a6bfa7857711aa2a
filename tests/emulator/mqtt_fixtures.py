"""Fixtures of the MQTT listener's tests: its certificate, itself, clients, and a device that was let in."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from ingest.emulator.certificate import Certificate, make_certificate
from tests.emulator.mqtt_client import ACCEPTED, MqttClient
from tests.emulator.mqtt_listener import Listener

Open: TypeAlias = Callable[[], MqttClient]


@pytest.fixture(scope="module", name="certificate")
def certificate_fixture(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(name="listener")
def listener_fixture(certificate: Certificate) -> Iterator[Listener]:
    with Listener(certificate, known={"dev1", "dev2"}) as running:
        yield running


@pytest.fixture(name="connect")
def connect_fixture(listener: Listener) -> Iterator[Open]:
    """Gives clients that have not sent anything yet."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(MqttClient(listener))


@pytest.fixture(name="device")
def device_fixture(connect: Open) -> MqttClient:
    """dev1, let in, with a clean session."""
    opened = connect()
    assert opened.enter() == ACCEPTED
    return opened
