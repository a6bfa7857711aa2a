"""The tuned number of events on their way, against a hub that is simulated tick by tick."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.source.transport import prefetch
from ingest.source.transport.prefetch import Prefetch


class Line:
    """A hub that sends `rate` events per tick when it may, `delay` ticks away, and a receiver that takes them at once."""

    def __init__(self, tuned: Prefetch, rate: int, delay: int, event_bytes: int = 600) -> None:
        self.received = 0
        self.idle = 0
        """Ticks in which the hub had events, and no leave to send one."""
        self._tuned = tuned
        self._rate = rate
        self._delay = delay
        self._event_bytes = event_bytes
        self._limit = self._sent = 0
        self._flows: deque[tuple[int, int]] = deque()
        self._events: deque[tuple[int, int]] = deque()
        self._now = 0
        self._granted_to = 0
        tuned.link()
        self._grant()

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self._now += 1
            self._hub()
            self._receiver()

    def _hub(self) -> None:
        while self._flows and self._flows[0][0] <= self._now:
            self._limit = self._flows.popleft()[1]
        count = min(self._rate, self._limit - self._sent)
        self.idle += not count
        if count:
            self._sent += count
            self._events.append((self._now + self._delay, count))

    def _receiver(self) -> None:
        if not self._events or self._events[0][0] > self._now:
            self._tuned.silent()
        else:
            count = self._events.popleft()[1]
            self.received += count
            self._tuned.received(count, count * self._event_bytes)
        if self._tuned.due(self._granted_to - self.received):
            self._grant()

    def _grant(self) -> None:
        self._tuned.granted()
        self._granted_to = self.received + self._tuned.credit
        self._flows.append((self._now + self._delay, self._granted_to))


# The product of the two is below what may be granted at the most.
@pytest.mark.parametrize(("rate", "delay"), [(10, 1), (100, 1), (100, 10), (100, 50), (30, 180)])
def test_the_hub_waits_no_longer_once_the_number_has_grown(rate: int, delay: int) -> None:
    tuned = Prefetch()
    line = Line(tuned, rate, delay)
    line.run(40 * delay + 200)
    line.idle = 0
    line.run(2_000)
    assert line.idle == 0
    assert tuned.credit >= min(prefetch.START, 2 * rate * delay)


def test_an_idle_hub_does_not_make_the_number_grow() -> None:
    tuned = Prefetch()
    line = Line(tuned, rate=1, delay=5)
    line.run(5_000)
    assert tuned.credit == prefetch.START


def test_the_number_stays_below_its_cap_however_far_the_hub_is() -> None:
    tuned = Prefetch()
    Line(tuned, rate=1_000, delay=500).run(20_000)
    assert tuned.credit == min(prefetch.MOST, int(prefetch.BYTES / (600 + prefetch.EVENT_OVERHEAD_BYTES)))


def test_large_events_bring_the_number_down_to_the_memory_cap() -> None:
    tuned = Prefetch()
    tuned.granted()
    for _ in range(100):
        tuned.received(1, 200_000)
    assert tuned.credit == int(prefetch.BYTES / (200_000 + prefetch.EVENT_OVERHEAD_BYTES))
    for _ in range(100):
        tuned.received(1, 1 << 20)
    assert tuned.credit == prefetch.FLOOR


def test_a_fixed_number_stays() -> None:
    tuned = Prefetch(300)
    line = Line(tuned, rate=100, delay=50, event_bytes=1 << 20)
    line.run(5_000)
    assert tuned.credit == 300
    assert line.idle


def test_flows_of_an_earlier_link_count_no_longer() -> None:
    tuned = Prefetch()
    tuned.granted()
    tuned.received(1, 600)
    tuned.link()
    tuned.granted()
    tuned.received(prefetch.START, 600 * prefetch.START)
    for _ in range(5):
        tuned.silent()
    # One flow has shown to be too little, not two.
    assert tuned.credit == 2 * prefetch.START


def test_one_silence_is_told_once() -> None:
    tuned = Prefetch()
    tuned.granted()
    tuned.received(prefetch.START, 600 * prefetch.START)
    for _ in range(5):
        tuned.silent()
    assert tuned.credit == 2 * prefetch.START


@given(
    fixed=st.sampled_from([0, 0, 1, 500]),
    steps=st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 1 << 20), st.booleans()), max_size=50),
)
def test_whatever_comes_the_number_has_its_bounds(fixed: int, steps: list[tuple[int, int, bool]]) -> None:
    tuned = Prefetch(fixed)
    for count, event_bytes, silent in steps:
        tuned.granted()
        tuned.received(count, count * event_bytes)
        if silent:
            tuned.silent()
        assert tuned.credit == fixed or prefetch.FLOOR <= tuned.credit <= prefetch.MOST
        assert tuned.due(0)
        assert not tuned.due(tuned.credit)
