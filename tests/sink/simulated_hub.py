"""A hub with a limit, and processes that send to it at the pace they are given; in simulated time."""

import heapq
import random
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ingest.sink.pacing.rate import AdaptiveRate, Answer

ONE_WAY_SECONDS = 0.025


class Limit(Protocol):
    """How a hub throttles."""

    rate: float

    def takes(self, now: float) -> bool: ...


class TokenBucket:
    def __init__(self, rate: float, seconds: float = 1.0) -> None:
        """`seconds`: how much of the rate may come at once."""
        self.rate = rate
        self._seconds = seconds
        self._tokens = rate * seconds
        self._at = 0.0

    def takes(self, now: float) -> bool:
        self._tokens = min(max(1.0, self.rate * self._seconds), self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class FixedWindow:
    def __init__(self, rate: float, seconds: float = 1.0) -> None:
        """`seconds`: the window's length."""
        self.rate = rate
        self._seconds = seconds
        self._window = 0
        self._count = 0

    def takes(self, now: float) -> bool:
        window = int(now / self._seconds)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return self._count <= self.rate * self._seconds


class Seen(NamedTuple):
    """One send as the hub saw it."""

    at: float
    taken: bool


def simulate(
    pace: AdaptiveRate,
    hub: Limit,
    seconds: float,
    *,
    changes: Mapping[float, float] | None = None,
    processes: int = 2,
    seed: int = 0,
    demand: int = 100,
) -> list[Seen]:
    """Processes with endless commands, which wake up late now and then. `changes`: time → the hub's new rate."""
    rng = random.Random(seed)
    answers: list[list[Answer]] = [[] for _ in range(processes)]
    seen: list[Seen] = []
    # (time, order among equals, process that wakes up or None, what arrives: the time it was sent)
    events: list[tuple[float, int, int | None, tuple[int, float] | None]] = []
    order = 0
    due = sorted((changes or {}).items())
    for process in range(processes):
        order += 1
        heapq.heappush(events, (rng.random() * 0.01, order, process, None))
    while events:
        now, _, process_or_none, arrival = heapq.heappop(events)
        if now >= seconds:
            break
        while due and now >= due[0][0]:
            hub.rate = due.pop(0)[1]
        if arrival is not None:
            process, sent_at = arrival
            taken = hub.takes(now)
            seen.append(Seen(now, taken))
            # It is known to the process from its next waking after the way back.
            answers[process].append(Answer(sent_at, not taken))
        elif process_or_none is not None:
            process = process_or_none
            back = [answer for answer in answers[process] if answer.sent_at + 2 * ONE_WAY_SECONDS <= now]
            answers[process] = answers[process][len(back) :]
            pace.learn(back, now)
            for _ in range(pace.take(demand, now)):
                order += 1
                heapq.heappush(events, (now + ONE_WAY_SECONDS, order, None, (process, now)))
            late = rng.expovariate(1 / 0.001) if rng.random() < 0.99 else 0.04
            order += 1
            heapq.heappush(events, (now + max(pace.wait(now), 0.001) + late, order, process, None))
    return seen


def rate_between(seen: list[Seen], start: float, end: float, *, taken: bool = True) -> float:
    """Sends per second in [start, end) that the hub took, or refused."""
    return sum(start <= one.at < end and one.taken is taken for one in seen) / (end - start)
