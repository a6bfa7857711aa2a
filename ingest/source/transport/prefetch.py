"""How many events the hub may send ahead of us. Pure.

With too few, the hub waits for our next flow while the link is idle; the right number is rate times round trip. Neither
needs to be measured: if everything that an earlier flow allowed has come and then nothing, although a later flow allows
more, the hub was still waiting for that flow. Each time the number is doubled.
"""

from collections import deque

START = 8_000
"""Enough at once for a round trip of some milliseconds. Unread events wait in the hub and the kernel, not here."""
FLOOR = 50
MOST = 32_000
"""At a round trip of 100 ms, 240,000 events a second."""
BYTES = 16 << 20
"""Credit times the mean size of an event stays below this."""
EVENT_OVERHEAD_BYTES = 256
"""What a frame adds to its message."""


class Prefetch:
    """`fixed`: this number permanently, instead of a tuned one."""

    def __init__(self, fixed: int = 0) -> None:
        self.credit = fixed or START
        """Events that the hub may send after a flow."""
        self._fixed = fixed
        self._mean_bytes = 0.0
        self._received = 0
        self._allowed: deque[int] = deque()
        """Up to which event each flow allows the hub to send, for flows that are not used up."""

    @property
    def bytes(self) -> float:
        """What so many events have of the mean size."""
        return self.credit * self._mean_bytes

    def link(self) -> None:
        """Begins a new link: flows of the previous one no longer count."""
        self._received = 0
        self._allowed.clear()

    def due(self, left: int) -> bool:
        """Whether it is time for another flow, if the hub has `left` events of credit."""
        return left <= self.credit * 3 // 4

    def granted(self) -> None:
        """Notes that a flow of `credit` events was sent."""
        self._allowed.append(self._received + self.credit)

    def received(self, events: int, message_bytes: int) -> None:
        self._received += events
        while self._allowed and self._allowed[0] < self._received:
            self._allowed.popleft()
        mean = message_bytes / events
        self._mean_bytes = mean if not self._mean_bytes else 0.9 * self._mean_bytes + 0.1 * mean
        self._limit()

    def silent(self) -> None:
        """Notes that the socket is empty, and all that came is counted."""
        if not self._fixed and self._allowed and self._allowed[0] == self._received:
            self._allowed.popleft()  # once for each flow
            self.credit *= 2
            self._limit()

    def _limit(self) -> None:
        if not self._fixed:
            most = min(MOST, int(BYTES / (self._mean_bytes + EVENT_OVERHEAD_BYTES)))
            self.credit = min(self.credit, max(FLOOR, most))
