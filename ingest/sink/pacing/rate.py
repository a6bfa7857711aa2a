"""When the next command may be sent: a token bucket, and the rate at which it fills. Pure; the clock is passed in.

The rate never exceeds what the tier allows. When the hub throttles, it is lowered to what the hub was seen to take
(multiplicative decrease), and after a pause raised step by step (additive increase).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, NamedTuple

HEADROOM: Final = 0.995
"""The used part of the allowance: at the very edge, mere network jitter would be throttled."""
BURST_SECONDS: Final = 0.05
"""Burst allowance, so that a late wake-up loses no rate. Small, because the hub's own window can be one second."""
LOOK_SECONDS: Final = 0.5
"""How long answers are counted after the first throttled one, to see which part of the sends is refused."""
LOOK_SENDS: Final = 10
"""At low rates longer, for about this many sends: one refusal alone says nothing about the rate."""
MAX_LOOK_SECONDS: Final = 6.0
BELOW_SEEN: Final = 0.01
"""How far below what the hub took the rate is set, so that the hub's own bucket fills again."""
MIN_DECREASE: Final = 0.5
FLOOR: Final = 1 / 64
"""The rate never falls below this part of the allowance: there must be sends to notice that the hub takes more."""
HOLD_SECONDS: Final = 3.0
"""After a decrease the rate stays constant for this long, then rises."""
RISE_PER_SECOND: Final = 0.02
"""Part of the allowance: from half of it to the whole in about half a minute."""


class Answer(NamedTuple):
    """The hub's answer to one send."""

    sent_at: float
    throttled: bool


@dataclass(slots=True)
class AdaptiveRate:
    """The state of the bucket; plain numbers, so that it fits into shared memory. Times are monotonic seconds."""

    allowance: float
    """The most sends per second that are allowed."""
    rate: float
    """Sends per second at present."""
    tokens: float
    filled_at: float
    decreased_at: float
    """Answers to sends before this moment say nothing about the present rate."""
    look_until: float = 0.0
    """While it is not 0, answers are counted."""
    taken: float = 0.0
    throttled: float = 0.0
    paused_until: float = 0.0

    @classmethod
    def of(cls, sends_per_second: float, now: float) -> "AdaptiveRate":
        """Returns a pace for `sends_per_second`, the most that the hub takes. One send may go at once."""
        allowance = sends_per_second * HEADROOM
        return cls(allowance, allowance, 1.0, now, now)

    def allow(self, sends_per_second: float, now: float) -> None:
        """Changes the most that is allowed; what the hub was seen to take of it stays the same part."""
        self._fill(now)
        part, self.allowance = self.rate / self.allowance, sends_per_second * HEADROOM
        self.rate = self.allowance * part
        self.tokens = min(self.tokens, self.burst)

    @property
    def burst(self) -> float:
        """The sends that may go at once. In any window of w seconds at most `burst + allowance * w` go."""
        return max(1.0, self.rate * BURST_SECONDS)

    def take(self, wanted: int, now: float) -> int:
        """Returns how many of `wanted` commands to send now, at once."""
        self._fill(now)
        if now < self.paused_until:
            return 0
        granted = min(wanted, int(self.tokens))
        self.tokens -= granted
        return granted

    def wait(self, now: float) -> float:
        """Returns the seconds until `take` grants one; 0 if it does now."""
        ready = self.filled_at + max(0.0, 1.0 - self.tokens) / self.rate
        return max(0.0, ready - now, self.paused_until - now)

    def pause(self, until: float) -> None:
        """Sends nothing before `until` (the daily quota is used up). A later end already set stays."""
        self.paused_until = max(self.paused_until, until)

    def learn(self, answers: Iterable[Answer], now: float) -> None:
        """Takes in answers in any order, and lowers the rate once it has seen enough."""
        self._fill(now)
        for sent_at, throttled in answers:
            if sent_at < self.decreased_at:
                continue
            if throttled and not self.look_until:
                look = max(LOOK_SECONDS, min(LOOK_SENDS / self.rate, MAX_LOOK_SECONDS))
                self.look_until, self.taken, self.throttled = now + look, 0.0, 0.0
            if self.look_until:
                self.taken += not throttled
                self.throttled += throttled
        if self.look_until and now >= self.look_until:
            seen = self.taken / (self.taken + self.throttled)
            factor = max(MIN_DECREASE, min(seen - BELOW_SEEN, 1.0 - BELOW_SEEN))
            self.rate = max(self.rate * factor, self.allowance * FLOOR)
            self.tokens = min(self.tokens, self.burst)
            self.decreased_at = now
            self.look_until = 0.0

    def _fill(self, now: float) -> None:
        """Brings tokens and rate up to `now`; a clock read before another process's last call changes nothing."""
        if now <= self.filled_at:
            return
        seconds = now - self.filled_at
        # The tokens come at the old rate, which is the lower one: never too many.
        self.tokens = min(self.burst, self.tokens + self.rate * seconds)
        rising = min(seconds, now - self.decreased_at - HOLD_SECONDS)
        if self.rate < self.allowance and rising > 0.0 and not self.look_until:
            self.rate = min(self.allowance, self.rate + self.allowance * RISE_PER_SECOND * rising)
        self.filled_at = now


_FORMAT: Final = struct.Struct(f"={len(fields(AdaptiveRate))}d")
_numbers: Final = attrgetter(*(field.name for field in fields(AdaptiveRate)))
PACKED_BYTES: Final = _FORMAT.size


def pack(pace: AdaptiveRate) -> bytes:
    """Returns `PACKED_BYTES` bytes."""
    return _FORMAT.pack(*_numbers(pace))


def unpack(packed: bytes | memoryview) -> AdaptiveRate:
    return AdaptiveRate(*_FORMAT.unpack(packed))
