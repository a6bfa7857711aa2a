"""A local IoT Hub for development, tests and the demo: Event Hub-compatible endpoint, devices, faults on request."""

from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.message import Command, Delivery
from ingest.emulator.control.faults import Faults
from ingest.emulator.emulator import Component, Emulator
from ingest.emulator.keys import Endpoints, Keys
from ingest.emulator.stats import C2dStats, PartitionStats, ReceiverStats, Stats
from ingest.emulator.telemetry.log import Position

__all__ = [
    "C2dStats",
    "Command",
    "Component",
    "Delivery",
    "Emulator",
    "Endpoints",
    "Faults",
    "Keys",
    "LockLost",
    "PartitionStats",
    "Position",
    "ReceiverStats",
    "Stats",
]
