"""The tokens of an Entra identity that this process holds.

In a child they come from the supervisor, which fetches them for the whole node: `take` runs on the child's control thread.
A command that runs alone fetches them itself, when they are asked for. Asking never waits for a token endpoint while a
token is held.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ingest.errors import ConfigError, IngestError, Refused
from ingest.hub.auth.contract import Held, NoToken, Service
from ingest.timing import Clock

FIRST_SECONDS = 5.0
"""How long one who may wait does so for the first word about a token."""


class News(NamedTuple):
    """What is known of the token for one service."""

    held: Held | None
    """The last one that was fetched."""
    trouble: str | None = None
    """Why the last request for one failed; None if it did not."""
    refused: bool = False
    """Whether the token endpoint does not know the identity, and never gave it a token."""


Fetch = Callable[[Service], Held]
"""Asks the token endpoint, and waits for its answer. Raises an IngestError."""


class HeldTokens:
    """May be used by any thread."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._news: dict[str, News] = {}
        self._changed = threading.Condition()
        self._fetch: Fetch | None = None

    def take(self, news: Mapping[str, News]) -> None:
        """Replaces what is known, by the services' names."""
        with self._changed:
            self._news.update(news)
            self._changed.notify_all()

    def fetch_with(self, fetch: Fetch | None) -> None:
        """From now on a token that is not there is fetched by whoever asks for it."""
        self._fetch = fetch

    def get(self, service: Service, wait: float = 0.0) -> Held:
        """Returns a token that holds. Waits `wait` seconds at most, and only if nothing is known yet. Raises NoToken."""
        if self._fetch is not None:
            return self._fetched(service, self._fetch)
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: service.name in self._news, wait)
            news = self._news.get(service.name)
        if news is None:
            raise NoToken(f"the first token for {service.words} is waited for", pending=True)
        held, now = news.held, self._clock()
        if held is not None and held.expires > now:
            return held
        why = news.trouble or "the token endpoint was not asked in time"
        if held is None:
            raise NoToken(f"there is no token for {service.words}: {why}", refused=news.refused)
        raise NoToken(f"the token for {service.words} ran out {now - held.expires:.0f} s ago: {why}")

    def newest(self, service: Service) -> Held | None:
        """Returns the last token that was fetched, whether it still holds or not; None if there was none."""
        news = self._news.get(service.name)
        return None if news is None else news.held

    def _fetched(self, service: Service, fetch: Fetch) -> Held:
        news = self._news.get(service.name)
        if news is None or news.held is None or news.held.expires <= self._clock():
            try:
                news = News(fetch(service))
            except IngestError as error:
                raise NoToken(str(error), refused=isinstance(error, Refused | ConfigError)) from None
            self.take({service.name: news})
        assert news.held is not None
        return news.held


HELD = HeldTokens()
"""Those of this process."""
take = HELD.take
"""The entry that the supervisor's news go to."""
