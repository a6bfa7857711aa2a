"""The tokens of an Entra identity for the whole node: fetched once, each on a thread of its own, and handed to the children.

They go down each child's pipe, in memory only. Nobody else waits for a token endpoint: while that is slow, down or wrong,
the last tokens hold on.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from ingest import scarcity
from ingest.config import Config, Identity, Proxy
from ingest.errors import ConfigError, IngestError, Refused
from ingest.hub.auth import entra
from ingest.hub.auth.contract import Held, Service
from ingest.hub.auth.held import Fetch, News
from ingest.hub.auth.identity import needed
from ingest.hub.auth.renewal import SET_SECONDS, Renewal
from ingest.logs import Repeated, and_more
from ingest.metrics.catalogue import TOKEN_EXPIRY, TOKEN_FAILING, TOKEN_FAILURES
from ingest.metrics.registry import Registry
from ingest.timing import Clock, since_boot

ENTRY: Final = "ingest.hub.auth.held:take"
_OWNER: Final = "identity"
_LOOK_SECONDS: Final = 5.0
"""How often it is looked whether the machine's clock was set."""

logger = logging.getLogger(__name__)


class Process(Protocol):
    """What is asked of a supervised process."""

    @property
    def pid(self) -> int | None: ...

    @property
    def config(self) -> Config: ...

    def tell(self, entry: str, news: object) -> bool: ...


class _Wanted(NamedTuple):
    """One token, and the way to it."""

    identity: Identity
    proxy: Proxy
    service: Service


def _wanted(config: Config) -> list[_Wanted]:
    return [_Wanted(config.identity, config.proxy, service) for service in needed(config)]


class TokenSupply:
    """`serve` again and again, `close`; on the supervisor's thread, which never waits here."""

    def __init__(
        self,
        registry: Registry,
        *,
        fetcher: Callable[[Config], Fetch] = entra.fetcher,
        clock: Clock = time.time,
        steady: Clock = since_boot,
    ) -> None:
        """`clock`: the machine's, which can be set; `steady`: one that cannot."""
        self._registry = registry
        self._fetcher = fetcher
        self._clock = clock
        self._steady = steady
        self._renewals: dict[_Wanted, tuple[Renewal, Fetch]] = {}
        """What the children want; each has a thread."""
        self._told: WeakKeyDictionary[Process, object] = WeakKeyDictionary()
        self._changed = threading.Condition()
        self._closed = False
        self._repeated = Repeated()

    def serve(self, processes: Iterable[Process]) -> None:
        """Hands out what is new, and has the tokens fetched that these processes want; those that none wants any more are
        forgotten."""
        asking = [(each, each.config) for each in processes if each.config.identity.auth != "key"]
        if not asking and not self._renewals:
            return
        self._want({each: config for _, config in asking for each in _wanted(config)})
        self._complain_of_silence()
        for process, config in asking:
            self._tell(process, _wanted(config))

    @property
    def note(self) -> str | None:
        """What is wrong with tokens that still hold, for people; None if nothing is."""
        now = self._clock()
        troubles = [
            f"the token for {each.service.words} is not renewed, and holds {_span(news.held.seconds(now))}: {news.trouble}"
            for each, news in self._known()
            if news.trouble is not None and news.held is not None and news.held.expires > now
        ]
        return "; ".join(troubles) or None

    def close(self) -> None:
        """Fetches nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _known(self) -> list[tuple[_Wanted, News]]:
        with self._changed:
            return [(each, renewal.news) for each, (renewal, _) in self._renewals.items() if renewal.news is not None]

    def _want(self, wanted: dict[_Wanted, Config]) -> None:
        if wanted.keys() == self._renewals.keys():
            return
        new = {each: (Renewal(), self._fetcher(wanted[each])) for each in wanted if each not in self._renewals}
        with self._changed:
            self._renewals = {each: made for each, made in self._renewals.items() if each in wanted} | new
            self._changed.notify_all()
        names = {each.service.name for each in wanted}
        self._registry.keep_only(_OWNER, names)
        for name in names:
            self._registry.add(TOKEN_FAILURES, 0, name, owner=(_OWNER, name))
        for each, made in new.items():
            try:
                threading.Thread(target=self._run, args=(each, *made), name="tokens", daemon=True).start()
            except RuntimeError as error:  # no room for a thread now: the next call tries again
                with self._changed:
                    del self._renewals[each]
                self._complain(each.service, scarcity.words(error) or str(error))

    def _tell(self, process: Process, wanted: list[_Wanted]) -> None:
        with self._changed:
            renewals = [(each, self._renewals[each][0]) for each in wanted if each in self._renewals]
            state = (process.pid, [(each, renewal.version) for each, renewal in renewals])
            news = {each.service.name: renewal.news for each, renewal in renewals if renewal.news is not None}
        if news and state != self._told.get(process) and process.tell(ENTRY, news):
            self._told[process] = state

    def _complain_of_silence(self) -> None:
        with self._changed:
            now = self._steady()
            silent = [(each, renewal.news) for each, (renewal, _) in self._renewals.items() if renewal.is_silent(now)]
        for wanted, news in silent:
            self._measure(wanted.service.name, None)
            self._complain(wanted.service, (news and news.trouble) or "")

    def _run(self, wanted: _Wanted, renewal: Renewal, fetch: Fetch) -> None:
        while True:
            with self._changed:
                if self._closed or self._renewals.get(wanted) != (renewal, fetch):
                    return  # or a reload has dropped it
                now = self._steady()
                if renewal.follow(now, self._clock()):
                    logger.info("This machine's clock was set: a new token for %s is fetched.", wanted.service.words)
                if renewal.due > now:
                    self._changed.wait(min(max(0.01, renewal.due - now), _LOOK_SECONDS))
                    continue
                renewal.asked(now)
            self._renew(wanted, renewal, fetch)

    def _renew(self, wanted: _Wanted, renewal: Renewal, fetch: Fetch) -> None:
        trouble, refused = None, False
        before, held = renewal.news, None
        ahead = self._clock() - self._steady()
        try:
            held = fetch(wanted.service)
        except IngestError as error:
            trouble, refused = str(error), isinstance(error, Refused | ConfigError)
        except Exception as error:  # whatever the library raises, the next try may do
            trouble = f"it cannot be fetched ({type(error).__name__})"
            logger.debug("A token", exc_info=True)
        with self._changed:
            now, wall = self._steady(), self._clock()
            if held is not None and abs(wall - now - ahead) >= SET_SECONDS:
                held, trouble = None, "this machine's clock was set while it was fetched"
            if held is not None:
                renewal.fetched(held, now, wall)
            else:
                renewal.failed(trouble or "", now, refused=refused)
            if wanted not in self._renewals:
                return
        self._measure(wanted.service.name, held)
        if held is None:
            self._complain(wanted.service, trouble or "", renewal.due - now)
        elif before is None or before.trouble is not None:
            logger.info("There is a token for %s, which holds %s.", wanted.service.words, _span(held.seconds(wall)))

    def _measure(self, name: str, held: Held | None) -> None:
        owner = _OWNER, name
        self._registry.add(TOKEN_FAILURES, 0 if held else 1, name, owner=owner)
        self._registry.set(TOKEN_FAILING, 0 if held else 1, name, owner=owner)
        if held is not None:
            self._registry.set(TOKEN_EXPIRY, held.expires, name, owner=owner)

    def _complain(self, service: Service, trouble: str, wait: float | None = None) -> None:
        """`wait`: until the next try, where that is known."""
        held_back = self._repeated.admit(service.name)
        if held_back is not None:
            then = "" if wait is None else f" Next try in {wait:.1f} s."
            logger.warning(
                "No new token for %s: %s%s.%s", service.words, trouble.rstrip("."), and_more(held_back), then
            )


def _span(seconds: float) -> str:
    """`41 min`"""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
