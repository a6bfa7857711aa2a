"""How many cloud-to-device messages a hub takes.

Source: "Reference - IoT Hub quotas and throttling", Microsoft Learn.
"""

from typing import Final, Literal

Tier = Literal["F1", "S1", "S2", "S3"]

SENDS_PER_MINUTE_AND_UNIT: Final[dict[Tier, int]] = {"F1": 100, "S1": 100, "S2": 100, "S3": 5_000}


def sends_per_second(tier: Tier, units: int, override: float | None = None) -> float:
    """What the whole hub takes per second; `override` (`sink.sends_per_second`) is this node's share, said outright."""
    return SENDS_PER_MINUTE_AND_UNIT[tier] * units / 60 if override is None else override
