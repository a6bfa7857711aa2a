"""How long to wait before the next try."""

import random


class Backoff:
    """Exponential back-off with full jitter: the n-th wait is uniform in (0, min(cap, initial * 2**n)].

    Full jitter keeps 32 partition processes that lost the same broker from coming back in step.
    """

    def __init__(self, initial: float, cap: float, *, rng: random.Random | None = None) -> None:
        self._initial = initial
        self._cap = cap
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now; longer at each call until `reset`."""
        ceiling = min(self._cap, self._initial * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return ceiling * (0.1 + 0.9 * self._rng.random())

    def reset(self) -> None:
        """Something worked: the next wait is short again."""
        self._tries = 0
