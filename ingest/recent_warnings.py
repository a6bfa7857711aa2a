"""The last warnings of the service and its child processes, for the status page."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from ingest.printable import printable

MOST: Final = 30
"""Different ones; a warning that comes again counts as the same one."""
LONGEST: Final = 500
"""Characters of a message."""


class Warned(NamedTuple):
    time: float
    """Unix seconds, of its last time."""
    level: str
    """`warning`, `error` or `critical`."""
    process: str
    message: str
    """One line."""
    times: int = 1


class RecentWarnings(logging.Handler):
    """Keeps the last warnings and errors that are logged, at most `most` different ones. Any thread may log and ask."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__(logging.WARNING)
        self._most = most
        self._kept: dict[tuple[str, str, str], Warned] = {}
        """In the order of their last times."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        text = message[:LONGEST] + "…" * (len(message) > LONGEST)
        self.extend([Warned(record.created, record.levelname.lower(), record.processName or "", printable(text))])

    def extend(self, more: Iterable[Warned]) -> None:
        """Adds what another process has logged."""
        with self._held():
            for one in more:
                key = one.level, one.process, one.message
                before = self._kept.pop(key, None)
                self._kept[key] = one if before is None else one._replace(times=before.times + one.times)
                if len(self._kept) > self._most:
                    del self._kept[next(iter(self._kept))]

    def last(self) -> list[Warned]:
        """Returns them, the newest first."""
        with self._held():
            return list(reversed(self._kept.values()))

    def take(self) -> list[Warned]:
        """Returns those since the last call, the oldest first, and forgets them."""
        if not self._kept:
            return []
        with self._held():
            taken, self._kept = list(self._kept.values()), {}
        return taken

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the handler's own lock, which a fork makes anew in the child."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


RECENT: Final = RecentWarnings()
"""Of this process, as `ingest.logs.configure` installs it; in the service also those that its children send."""
