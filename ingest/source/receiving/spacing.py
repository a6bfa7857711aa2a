"""When the next read is due, so that a steady trickle of events does not cost a turn for every few of them. Pure.

A turn costs as much as a hundred events: wake-ups here and in the Kafka client, a request for each partition of the topic.
"""

from typing import Final

SPACING_SECONDS: Final = 0.014
"""From read to read, unless enough has come before (`Transport.gather`). An event waits for half of it on average."""
SMALL_TURN: Final = 256
"""With more events the turn's cost is no longer what matters."""
LEAST_RATE: Final = 150
"""Events a second; below that, hardly two would share a turn, so each is taken as soon as it comes."""


class TurnSpacing:
    """`turn` after every read."""

    def __init__(self, *, gathers: bool) -> None:
        """`gathers`: whether a wait ends early for much that has come, as `Transport` says."""
        self._gathers = gathers
        self._read_at = 0.0

    def turn(self, events: int, read_at: float) -> float:
        """Notes a read of so many events, as `Batch.weight` counts them, at that time; returns when the next one is due, by the
        same clock."""
        if not events:
            return read_at
        since, self._read_at = read_at - self._read_at, read_at
        if events < LEAST_RATE * since:
            return read_at
        # A small part of much that comes is no trickle: during a wait the socket's buffer would fill, and the hub stop.
        if not self._gathers and events >= SMALL_TURN * min(1.0, since / SPACING_SECONDS):
            return read_at
        return read_at + SPACING_SECONDS
