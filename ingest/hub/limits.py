"""What a hub takes, as documented: the one place for these numbers, for both directions, the doctor and the emulator.

Sources: "Reference - IoT Hub quotas and throttling" and "Choose the right IoT Hub tier and size", Microsoft Learn.
"""

from typing import Final, Literal, NamedTuple

Tier = Literal["F1", "S1", "S2", "S3"]
"""Basic tiers have no cloud-to-device messages."""

COMMAND_BYTES: Final = 64 * 1024
"""Of a cloud-to-device message: body, values of system properties, and names and values of the sender's, together."""
COMMANDS_PER_DEVICE: Final = 50
"""Cloud-to-device messages that wait for a device; the hub refuses the next one (403004)."""
EVENT_BYTES: Final = 256 * 1024
"""Of a device's message, with its properties."""


class OfUnit(NamedTuple):
    """What one unit of a tier gives."""

    sends_per_minute: int
    """Cloud-to-device messages."""
    messages_per_day: int
    """Telemetry and commands together."""
    meter_bytes: int
    """A larger message counts as several."""
    most_units: int
    """Sold for one hub."""


TIERS: Final[dict[Tier, OfUnit]] = {
    "F1": OfUnit(100, 8_000, 512, 1),
    "S1": OfUnit(100, 400_000, 4096, 200),
    "S2": OfUnit(100, 6_000_000, 4096, 200),
    "S3": OfUnit(5_000, 300_000_000, 4096, 10),
}


def sends_per_second(tier: Tier, units: int, override: float | None = None) -> float:
    """What the whole hub takes per second; `override` (`sink.sends_per_second`) is this node's share, said outright."""
    return TIERS[tier].sends_per_minute * units / 60 if override is None else override
