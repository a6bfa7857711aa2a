"""A link to the service side of a hub that is opened again whenever it ends, whichever client carries it.

What commands and feedback have in common: when a link is due, what ends the process, and what is said of it.
"""

import logging
import threading
import time
from typing import Generic, NamedTuple, Protocol, TypeVar

from ingest.errors import Refused
from ingest.hub.reconnect import ReconnectPolicy
from ingest.hub.service_errors import is_refusal
from ingest.timing import Backoff, Clock

OPEN_SECONDS = 20.0
"""A link that is not ready after this long is given up: uamqp may take 10 s over a token alone."""

T = TypeVar("T")


class Obstacle(NamedTuple):
    """What is known to be in the way to the hub."""

    sentence: str
    refusal: bool
    """Whether waiting does not mend it."""


class Carrier(Protocol[T]):
    """A client's link to the hub, one after the other. Each implementation passes the tests of what it carries."""

    def open(self) -> None:
        """Begins to open a link; the one before is closed. Raises what the client raises."""
        ...

    @property
    def came_up(self) -> bool:
        """Whether the hub has taken the open link, as far as the last `work` knows; also when it has ended since."""
        ...

    @property
    def state(self) -> str:
        """Of the link, for the log of a stall."""
        ...

    @property
    def obstacle(self) -> Obstacle | None:
        """What a look at the way has found after a link that never came up; None where nothing was found."""
        ...

    def work(self, seconds: float) -> list[T]:
        """Works on the open link, up to `seconds` or the first of what it brings; gives that.

        Raises whatever has ended the link, where the hub gave its words with those.
        """
        ...

    def close(self) -> list[T]:
        """Ends the link if there is one. Returns what came with its end. Raises nothing."""
        ...

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        """Why a link ended, in one clause; `seconds`: how long it was open."""
        ...


class KeptLink(Generic[T]):
    """`start`, `turn` again and again, `stop`; all on one thread."""

    def __init__(
        self,
        host: str,
        carrier: Carrier[T],
        *,
        what: str,
        clock: Clock = time.monotonic,
        backoff: Backoff | None = None,
        logger: logging.Logger,
    ) -> None:
        """`what`: its name in the log."""
        self.trouble: str | None = "connecting to the hub"
        """Why the link cannot be used now; None while it is up."""
        self.life = ReconnectPolicy(OPEN_SECONDS, backoff=backoff)
        self._host = host
        self._carrier = carrier
        self._what = what
        self._clock = clock
        self._logger = logger
        self._brought: list[T] = []
        self._pause = threading.Event()

    @property
    def ready(self) -> bool:
        return self.life.up

    @property
    def is_open(self) -> bool:
        """Whether there is a link, up or not."""
        return self.life.opened_at is not None

    @property
    def evidence(self) -> str:
        """What is known of the link, for the log of a stall."""
        age = "" if self.life.opened_at is None else f", opened {self.life.age(self._clock()):.0f} s ago"
        return f"link {self.life.links}{age}, in states {self._carrier.state}"

    def start(self) -> None:
        """A link is due at once."""
        self.life.start(self._clock())

    def turn(self, seconds: float) -> None:
        """Opens the link if it is due, or works on it; waits `seconds` at most for something to happen.

        Raises Refused when the hub, or a proxy on the way, refuses a link before any was up.
        """
        now = self._clock()
        if not self.is_open:
            obstacle = self._carrier.obstacle
            if obstacle is not None and not self.life.stopped:
                self.trouble = f"IoT Hub {self._host}: {obstacle.sentence}"
                if obstacle.refusal and not self.life.known_to_work:
                    raise Refused(self.trouble)
            due = self.life.seconds_until_due(now)
            if due == 0:
                self._open(now)
            elif seconds > 0:
                self._pause.wait(min(seconds, due))
            return
        try:
            self._brought += self._carrier.work(seconds)
            self._look()
            if self.life.overdue(self._clock()):
                raise TimeoutError(f"no answer from {self._host} within {OPEN_SECONDS:g} s")
        except Exception as error:  # uamqp raises its own errors, the C library's and built-in ones alike
            self.lost(error)

    def taken(self) -> list[T]:
        """What the link has brought since the last call."""
        brought, self._brought = self._brought, []
        return brought

    def lost(self, error: Exception) -> None:
        """Gives the link up; another one is due after a while. Raises Refused."""
        self._look()  # a link may come up and end between two looks
        now, life = self._clock(), self.life
        sentence = self._carrier.words(error, came_up=life.up, seconds=life.age(now)).rstrip(".")
        if is_refusal(error) and not life.known_to_work:
            self._end()
            raise Refused(f"IoT Hub {self._host}: {sentence}")
        wait = life.ended(now)
        self.trouble = f"IoT Hub {self._host}: {sentence}"
        self._logger.warning("%s to %s ended: %s. Next try in %.1f s.", self._what, self._host, sentence, wait)
        self._end()

    def stop(self, why: str | None = None) -> None:
        """Ends the link; none is due before `start`. `why`: what `trouble` says meanwhile."""
        self.life.stop()
        self.trouble = why or self.trouble
        self._end()

    def _look(self) -> None:
        """Notes that the link has come up."""
        if self._carrier.came_up and self.life.came_up():
            self.trouble = None
            self._logger.info("%s to %s is up.", self._what, self._host)

    def _open(self, now: float) -> None:
        self.life.opened(now)
        try:
            self._carrier.open()
        except Exception as error:
            self.lost(error)

    def _end(self) -> None:
        self.life.closed()
        self._brought += self._carrier.close()
