"""How long a turn waits for Kafka's acknowledgements before it looks at the hub again. Pure.

What has come from the hub meanwhile cannot be sent before them. Each look costs a fraction of a millisecond, here and in the
Kafka client, whose threads all wake: beside brokers on the same cores, 32 processes that look every few milliseconds take the
time that the brokers need to answer.
"""

from typing import Final

LEAST_SECONDS: Final = 0.005
"""Kafka answers within a few milliseconds, or is busy."""
MOST_SECONDS: Final = 0.08
"""A stop is noticed after it."""
MORE: Final = 0.5
"""Of the time waited already: so much later than the acknowledgements the wait ends at most."""
FEW: Final = 128
"""Events of a turn. Many are decoded while Kafka takes those before them."""


class Patience:
    """`turn` before each wait, `over` when there is nothing to wait for."""

    def __init__(self) -> None:
        self._waited = 0.0

    def turn(self, events: int) -> float:
        """Returns how long to wait after a turn with so many events, as `Batch.weight` counts them."""
        if events >= FEW:
            self.over()
        wait = min(MOST_SECONDS, max(LEAST_SECONDS, MORE * self._waited))
        self._waited += wait
        return wait

    def over(self) -> None:
        self._waited = 0.0
