"""How busy each partition is, by the checkpoints, which every node can read and whoever reads the partition writes. Pure."""

from collections import deque
from collections.abc import Mapping
from typing import Final

WINDOW_SECONDS: Final = 120.0
"""Rates are over at least half of it, and over one and a half times at most."""
LEAST_SECONDS: Final = 30.0
"""A checkpoint moves in steps: a shorter time says little."""


class Rates:
    """Sequence numbers of checkpoints, again and again."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=3)
        self._last: tuple[float, Mapping[str, int]] = 0.0, {}

    def take(self, numbers: Mapping[str, int], now: float) -> None:
        """Takes partition → sequence number of its checkpoint; `now`: seconds by any clock that goes on."""
        self._last = now, numbers
        if not self._marks or now - self._marks[-1][0] >= WINDOW_SECONDS / 2:
            self._marks.append(self._last)

    def known(self) -> Mapping[str, float]:
        """Returns partition → events, per second of the last minutes. A node that has just come knows no earlier numbers:
        then they are those of the hub's whole life, which compare as well."""
        now, numbers = self._last
        since, before = self._marks[0] if self._marks else self._last
        if now - since < LEAST_SECONDS:
            return {partition: float(max(0, number)) for partition, number in numbers.items()}
        # A number that has gone back is of a hub that was made anew.
        return {
            partition: max(0, number - before.get(partition, number)) / (now - since)
            for partition, number in numbers.items()
        }
