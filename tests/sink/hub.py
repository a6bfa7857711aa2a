"""What the sink's tests need of a hub: its address as configured, and commands to send to it."""

from itertools import count
from pathlib import Path

from ingest.config import Hub, Secret
from ingest.config.connection_strings import IotHubAddress
from ingest.emulator import Emulator
from ingest.sink.commands.command import Command, Origin

_numbers = count(1)


def hub_of(emulator: Emulator) -> Hub:
    endpoints = emulator.endpoints
    return Hub(iot_hub_connection_string=Secret(endpoints.iot_hub_connection_string), ca_file=Path(endpoints.ca_file))


def address_of(emulator: Emulator) -> IotHubAddress:
    address = hub_of(emulator).iot_hub
    assert address is not None
    return address


def command(device_id: str = "pump", body: bytes = b"on") -> Command:
    """A command with an id of its own."""
    number = next(_numbers)
    return Command(device_id, body, f"m{number}", None, None, "none", None, {}, Origin("iotout", 0, number))
