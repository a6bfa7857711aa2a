"""When a token is fetched again: at half of its life, and after a failure soon, then ever more slowly. Pure."""

import math
from typing import Final

from ingest.hub.auth.contract import Held
from ingest.hub.auth.held import News
from ingest.timing import Backoff

RENEW_SHARE: Final = 0.5
"""Of what is left of its life."""
SHORTEST_SECONDS: Final = 1.0
"""Between two requests: an endpoint may give the same token again until that has almost run out."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Renewal:
    """One token of one identity, and the next after it. Times are Unix seconds."""

    def __init__(self, *, backoff: Backoff | None = None) -> None:
        self.news: News | None = None
        """What is known; None until the first answer."""
        self.version = 0
        """Grows with each change of `news`."""
        self.due = -math.inf
        """When to ask the endpoint."""
        self._backoff = backoff or Backoff(_FIRST_WAIT, _LONGEST_WAIT)

    def fetched(self, held: Held, now: float) -> None:
        """The endpoint gave a token."""
        self._backoff.reset()
        self.due = now + max(SHORTEST_SECONDS, held.seconds(now) * RENEW_SHARE)
        self._tell(News(held))

    def failed(self, trouble: str, now: float, *, refused: bool) -> None:
        """The endpoint gave none. `refused`: it does not know the identity."""
        last = self.news.held if self.news is not None else None
        self.due = now + self._backoff.next()
        # Who had a token once is known: what is refused then may pass, as a secret that is about to be replaced.
        self._tell(News(last, trouble, refused and last is None))

    def _tell(self, news: News) -> None:
        if news != self.news:
            self.news = news
            self.version += 1
