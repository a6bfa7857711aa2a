"""Detects a stalled partition: the hub holds newer events, we asked for them, and none comes.

A link can stay up for hours without a delivery (a half-open connection, a service fault), and no client library
reports that. So a silent partition is compared with what the hub says about it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from ingest import scarcity
from ingest.errors import IngestError
from ingest.hub.position import Position
from ingest.hub.standing import Standing

Verdict = Literal["fine", "ask", "stalled", "unknown"]

FROZEN_SECONDS = 5.0
"""After this long without a look, we slept (a suspended machine, a stopped process): what came meanwhile is unread."""

logger = logging.getLogger(__name__)


class StallWatch:
    """Pure. Takes the time of every look; says when to ask the hub for its newest sequence number, and when to give up.

    It asks after silence of half of `seconds`. The partition is stalled if the hub was ahead and, `seconds` after the
    last event, nothing has come. Time without a look does not count.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self._quiet_since = self._looked_at = now
        self._asked_at: float | None = None
        self._behind = False
        self._answered = False

    def moved(self, now: float) -> None:
        """Restarts the silence: an event came, or we were not asking for any (back-pressure, no link)."""
        self._quiet_since = self._looked_at = now
        self._asked_at = None
        self._behind = False
        self._answered = False

    def look(self, now: float) -> Verdict:
        """ "unknown": long silence, and no answer to any question; only a new link can tell."""
        slept = now - self._looked_at
        self._looked_at = now
        if slept > FROZEN_SECONDS:
            self._quiet_since += slept
        quiet = now - self._quiet_since
        if self._behind and quiet >= self._seconds:
            return "stalled"
        if not self._answered and quiet >= 3 * self._seconds:
            return "unknown"
        if quiet >= self._seconds / 2 and (self._asked_at is None or now - self._asked_at >= self._seconds / 2):
            self._asked_at = now
            return "ask"
        return "fine"

    def answer(self, behind: bool, asked_at: float) -> None:
        """Takes whether the hub holds an event that is still to come; `asked_at` is when the hub was asked."""
        if asked_at >= self._quiet_since:
            self._answered = True
            self._behind = behind


class Asked(NamedTuple):
    """Where a reader stood when the hub was asked."""

    position: Position | None
    numbering: int
    """Like `Receiver.numbering`."""
    silent: bool
    """Whether nothing came from the hub for a while. While events come, its figures can be older than they are."""


class HubQuestion:
    """Asks the hub on a separate thread, one question at a time, because an answer can take many seconds."""

    def __init__(self, ask: Callable[[bool], Standing]) -> None:
        """`ask` asks where the hub stands, and with True also when it was created."""
        self.newest: int | None = None
        """The newest sequence number that the hub has reported."""
        self.trouble: str | None = None
        """Why the last question about a silent partition had no answer; reset by the caller when an event comes."""
        self._ask = ask
        self._answers: deque[tuple[Standing, Asked]] = deque(maxlen=1)
        self._thread: threading.Thread | None = None

    def ask(self, asked: Asked, *, created: bool = False) -> bool:
        """Returns False and does nothing while another question is open, or if no thread can be started. `asked` comes
        back with the answer."""
        if self._thread is not None and self._thread.is_alive():
            return False
        thread = threading.Thread(target=self._run, args=(asked, created), name="hub-question", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("The hub was not asked where the partition stands: %s.", scarcity.words(error) or error)
            return False
        self._thread = thread
        return True

    def join(self, seconds: float) -> None:
        """Waits for the open question."""
        if self._thread is not None:
            self._thread.join(seconds)

    def answers(self) -> Iterator[tuple[Standing, Asked]]:
        """Returns at most one answer since the last call."""
        while self._answers:
            yield self._answers.popleft()

    def _run(self, asked: Asked, created: bool) -> None:
        try:
            answer = self._ask(created)
        except (IngestError, OSError, RuntimeError, MemoryError) as error:
            words = scarcity.words(error)
            if words is None and not isinstance(error, IngestError):
                raise
            logger.warning("The hub did not say where the partition stands: %s", words or error)
            if asked.silent:
                self.trouble = f"no event comes, and the hub does not say whether one should: {words or error}"
            return
        self.trouble = None
        self.newest = answer.newest
        self._answers.append((answer, asked))
