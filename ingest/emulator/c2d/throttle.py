"""How many cloud-to-device messages the hub takes: per second by tier and units, and per day. Pure, clock passed in.

The documented shape is a sustained rate with a short burst above it; how long the burst may be is not documented, and
here it is `BURST_SECONDS` of the rate, at least `SMALLEST_BURST` messages.
"""

import math
from typing import Final, cast

from ingest.errors import IngestError
from ingest.hub.limits import TIERS, Tier

BURST_SECONDS: Final = 2.0
SMALLEST_BURST: Final = 10.0
_DAY_SECONDS: Final = 86_400


class TokenBucket:
    """`rate` a second, `burst` at once. A rate of None lets everything through."""

    def __init__(self, rate: float | None, burst: float | None = None) -> None:
        self._level = 0.0
        self._filled_at = -math.inf
        self.set_rate(rate, burst)
        self._level = self.burst

    def set_rate(self, rate: float | None, burst: float | None = None) -> None:
        """From now on. What is left of the burst stays, up to the new one. Raises ValueError."""
        if rate is not None and not rate > 0:
            raise ValueError(f"A limit of {rate} sends per second is not above 0.")
        if burst is not None and not burst >= 1:
            raise ValueError(f"A burst of {burst} messages is below 1.")
        self.rate = rate
        self.burst = burst if burst is not None else max(SMALLEST_BURST, BURST_SECONDS * (rate or 0.0))
        self._level = min(self._level, self.burst)

    def take(self, now: float) -> bool:
        """Whether one more may pass at `now` (seconds, never going back)."""
        if self.rate is None:
            return True
        self._level = min(self.burst, self._level + self.rate * max(0.0, now - self._filled_at))
        self._filled_at = max(now, self._filled_at)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


class DailyQuota:
    """Messages per UTC day. A limit of None lets everything through."""

    def __init__(self, limit: int | None, meter_bytes: int = 4096) -> None:
        self.limit = limit
        self._meter_bytes = meter_bytes
        self._day = 0
        self._used = 0

    def used(self, now: float) -> int:
        """Of the day that `now` (seconds since 1970) is in."""
        day = int(now // _DAY_SECONDS)
        if day != self._day:
            self._day, self._used = day, 0
        return self._used

    def cost(self, size: int) -> int:
        """What a message of `size` bytes counts for."""
        return max(1, math.ceil(size / self._meter_bytes))

    def has_room(self, size: int, now: float) -> bool:
        return self.limit is None or self.used(now) + self.cost(size) <= self.limit

    def spend(self, size: int, now: float) -> None:
        self._used = self.used(now) + self.cost(size)


def limits_of(tier: str | None, units: int) -> tuple[TokenBucket, DailyQuota]:
    """Without a tier there is no limit. Raises IngestError for a tier or a number of units that is not on sale."""
    if tier is None:
        return TokenBucket(None), DailyQuota(None)
    found = TIERS.get(cast("Tier", tier))
    if found is None:
        raise IngestError(f"The tier {tier!r} has no cloud-to-device messages; take one of {', '.join(TIERS)}.")
    if not 1 <= units <= found.most_units:
        raise IngestError(f"{units} units of {tier} are not on sale; take 1 to {found.most_units}.")
    return TokenBucket(found.sends_per_minute * units / 60), DailyQuota(
        found.messages_per_day * units, found.meter_bytes
    )
