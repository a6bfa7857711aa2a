"""When a token is fetched again: at half of its life, and after a failure soon, then ever more slowly. Pure.

How long a token holds is counted on a clock that never goes back (`now`); when it runs out is told by the machine's clock
(`wall`), by which the processes go. That one can be set meanwhile, as at a start before the time is known.
"""

import math
from typing import Final

from ingest.hub.auth.contract import Held
from ingest.hub.auth.held import News
from ingest.timing import Backoff

RENEW_SHARE: Final = 0.5
"""Of what is left of its life."""
SHORTEST_SECONDS: Final = 1.0
"""Between two requests: an endpoint may give the same token again until that has almost run out."""
SILENT_SECONDS: Final = 45.0
"""More than a request takes that is given up: one that lasts longer has an answer that does not end."""
SET_SECONDS: Final = 5.0
"""A machine's clock that is off by less was not set."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Renewal:
    """One token of one identity, and the next after it."""

    def __init__(self, *, backoff: Backoff | None = None) -> None:
        self.news: News | None = None
        """What is known; None until the first answer."""
        self.version = 0
        """Grows with each change of `news`."""
        self.due = -math.inf
        """When to ask the endpoint."""
        self._backoff = backoff or Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        self._runs_out = 0.0
        self._asked_at: float | None = None
        """Since when an answer is waited for; None once it is there, or its absence was told."""

    def asked(self, now: float) -> None:
        """The endpoint is being asked."""
        self._asked_at = now

    def fetched(self, held: Held, now: float, wall: float) -> None:
        """The endpoint gave a token."""
        seconds = held.seconds(wall)
        self._backoff.reset()
        self._asked_at = None
        self._runs_out = now + seconds
        self.due = now + max(SHORTEST_SECONDS, seconds * RENEW_SHARE)
        self._tell(News(held))

    def failed(self, trouble: str, now: float, *, refused: bool) -> None:
        """The endpoint gave none. `refused`: it does not know the identity."""
        self._asked_at = None
        self.due = now + self._backoff.next()
        # Who had a token once is known: what is refused then may pass, as a secret that is about to be replaced.
        self._tell(News(self._last, trouble, refused and self._last is None))

    def is_silent(self, now: float) -> bool:
        """Whether the endpoint has just been asked for too long; then `news` says so. Once for each request."""
        if self._asked_at is None or now - self._asked_at < SILENT_SECONDS:
            return False
        self._asked_at = None
        self._tell(News(self._last, f"the token endpoint has not ended its answer for {SILENT_SECONDS:.0f} s"))
        return True

    def follow(self, now: float, wall: float) -> bool:
        """Whether the machine's clock was set; then the token that is held runs out by that one, and a new one is due."""
        until = wall + self._runs_out - now
        if self.news is None or self._last is None or abs(until - self._last.expires) < SET_SECONDS:
            return False
        self.due = min(self.due, now)
        self._tell(self.news._replace(held=self._last._replace(expires=until)))
        return True

    @property
    def _last(self) -> Held | None:
        return None if self.news is None else self.news.held

    def _tell(self, news: News) -> None:
        if news != self.news:
            self.news = news
            self.version += 1
