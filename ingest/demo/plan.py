"""What a demo does, as known to both of its processes."""

import argparse
from dataclasses import dataclass

DEFAULT_SECONDS = 20.0
DEFAULT_RATE = 2000.0
TIER = "S3"
UNITS = 10
"""Tier and units of the hub, and in the sink's configuration: 833 commands a second."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The devices send until `seconds` have passed or `events` are sent, whichever is not 0; the operator sends
    `commands`, or, if that is None, a few now and then while the devices send."""

    seconds: float
    events: int
    rate: float
    """Events per second of all devices together; 0: as fast as allowed."""
    partitions: int
    devices: int
    commands: int | None
    delivery: str | None = None
    """As `source.delivery`, whose default it is if None."""
    nodes: int = 1
    """More than one share the hub; one of them is killed in the middle."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Plan":
        seconds = 0.0 if args.events else args.seconds or DEFAULT_SECONDS
        rate = args.rate or (0.0 if args.events else DEFAULT_RATE)
        options = args.devices, args.commands, args.delivery, args.nodes
        return cls(seconds, args.events or 0, rate, args.partitions, *options)
