"""A local IoT Hub for development, tests and the demo: Event Hub-compatible endpoint, devices, faults on request."""

from ingest.emulator.emulator import Component, Emulator
from ingest.emulator.faults import Faults
from ingest.emulator.keys import Endpoints, Keys
from ingest.emulator.log import Position
from ingest.emulator.stats import PartitionStats, ReceiverStats, Stats

__all__ = [
    "Component",
    "Emulator",
    "Endpoints",
    "Faults",
    "Keys",
    "PartitionStats",
    "Position",
    "ReceiverStats",
    "Stats",
]
