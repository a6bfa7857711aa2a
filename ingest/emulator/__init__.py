"""A local IoT Hub for development, tests and the demo: Event Hub-compatible endpoint, devices, faults on request."""

from ingest.emulator.c2d_message import Command, Delivery
from ingest.emulator.emulator import Component, Emulator
from ingest.emulator.faults import Faults
from ingest.emulator.keys import Endpoints, Keys
from ingest.emulator.lock_queue import LockLost
from ingest.emulator.log import Position
from ingest.emulator.stats import C2dStats, PartitionStats, ReceiverStats, Stats

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
