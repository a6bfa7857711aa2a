"""When a transaction is to be committed. Pure.

`source.commit_interval_ms` after its first event. But brokers that take long are busy, and each transaction is many requests to
them and between them: while they are, fewer and larger ones follow each other at a distance.
"""

from typing import Final

CALM: Final = 2.0
"""After a commit, so many times as long as it took nothing is committed."""
CALM_SECONDS: Final = 2.0
"""At most."""


class Due:
    """All times are in seconds of the same monotonic clock."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._waiting_since = self._begun_since = self._not_before = float("-inf")

    def wait(self, now: float) -> None:
        """Notes the first event that waits for a transaction."""
        self._waiting_since = now

    def begin(self) -> None:
        """Notes that a transaction begins with what waits."""
        self._begun_since = self._waiting_since

    def committed(self, took: float, now: float) -> None:
        self._not_before = now + min(CALM_SECONDS, CALM * took)

    def seconds(self, now: float, *, begun: bool) -> float:
        """Returns the seconds until the present transaction is due; if none has `begun`, one of what waits."""
        since = self._begun_since if begun else self._waiting_since
        return max(0.0, since + self._interval - now, self._not_before - now)
