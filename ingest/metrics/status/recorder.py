"""Takes a sample of the registry every few seconds, and has the status document ready for any number of readers."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from ingest.metrics.registry import Registry
from ingest.metrics.status import history, rows
from ingest.metrics.status.document import CLUSTER, About, document
from ingest.metrics.status.history import SAMPLE_SECONDS, History
from ingest.metrics.status.rows import Look
from ingest.printable import printable
from ingest.recent_warnings import Warned

RATE_SAMPLES: Final = 2
"""The rates of the document are over so many samples; those of the history over one."""
_SHOWN: Final = {*rows.NEEDED, *history.COUNTED, *history.MEASURED, *CLUSTER}
_COUNTED: Final = {*rows.COUNTED, *history.COUNTED}


class Recorder:
    """`sample` every `SAMPLE_SECONDS`, `json` at any time. One thread calls both: the HTTP port's."""

    def __init__(
        self,
        registry: Registry,
        *,
        about: Callable[[], About],
        healthy: Callable[[], bool],
        unready: Callable[[], Sequence[str]],
        note: Callable[[], str | None],
        warned: Callable[[], Sequence[Warned]],
        clock: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._about = about
        self._healthy = healthy
        self._unready = unready
        self._note = note
        self._warned = warned
        self._clock = clock
        self._unix = unix
        self._history = History()
        self._past: deque[Look] = deque(maxlen=RATE_SAMPLES)
        """The earlier looks, of counters alone."""
        self._look: Look | None = None
        self._number = 0
        self._made: tuple[int, bytes] = (0, b"")
        """Of which sample the document is, and the document."""
        self._id = f"{int(unix()):x}"

    def sample(self) -> Look:
        """Looks at the registry; the rates of the document are then those since the looks before."""
        if self._look is not None:
            series = {metric.name: self._look.of(metric) for metric in _COUNTED}
            self._past.append(Look(series, self._look.at, self._look.unix))
        page = self._registry.page(_SHOWN)
        look = Look(page.series, self._clock(), self._unix(), tuple(map(printable, self._unready())))
        before = self._past[-1] if self._past else Look({}, look.at, look.unix)
        self._history.add(look.unix, history.values(look, before, look.at - before.at))
        self._look = look
        self._number += 1
        return look

    def json(self) -> tuple[str, bytes]:
        """Returns the entity tag of the document, and the document: the same bytes until the next sample."""
        look = self._look or self.sample()
        if self._made[0] != self._number:
            note = self._note()
            shown = rows.status(look, self._past[0] if self._past else look)
            made = document(
                self._about(),
                look,
                shown,
                self._history,
                self._warned(),
                healthy=self._healthy(),
                note=None if note is None else printable(note),
            )
            self._made = self._number, orjson.dumps({**made, "interval_seconds": SAMPLE_SECONDS})
        return f'"{self._id}-{self._number}"', self._made[1]
