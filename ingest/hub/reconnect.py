"""When a link to the hub is opened, given up and opened again. Pure: whoever asks brings the time.

One policy for telemetry, commands and feedback: a refusal ends the process only while no link was ever up, as a key that has
worked may be changed under a running service; everything else is tried again, at once and then ever more slowly.
"""

import math
from typing import Final

from ingest.timing import Backoff

IDLE_SECONDS: Final = 60.0
"""A connection on which nothing comes for so long is given up. The stock clients of .NET, Go and JavaScript tell the hub the
same."""
STEADY_SECONDS: Final = 30.0
"""A link that lived this long makes the next reconnect quick again."""
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 20.0


class ReconnectPolicy:
    """The life of one link after the other. Times are seconds of a monotonic clock."""

    def __init__(self, attach_seconds: float, *, backoff: Backoff | None = None) -> None:
        """`attach_seconds`: a link that is not up after this long is given up."""
        self.links = 0
        """Links opened so far."""
        self.up = False
        self.known_to_work = False
        """Whether a link was ever up, which proves name, key and right."""
        self.opened_at: float | None = None
        """When the link that is open now was opened; None while none is."""
        self._attach_seconds = attach_seconds
        self._backoff = backoff or Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        self._open_at = math.inf

    def start(self, now: float) -> None:
        """A link is due at once."""
        self._open_at = now

    def stop(self) -> None:
        """No link is due before `start`; whether one is open is not touched."""
        self._open_at = math.inf

    @property
    def stopped(self) -> bool:
        return self._open_at == math.inf

    def seconds_until_due(self, now: float) -> float:
        """0 when a link is to be opened now; infinite while stopped."""
        return max(0.0, self._open_at - now)

    def opened(self, now: float) -> None:
        self.links += 1
        self.opened_at, self.up = now, False

    def came_up(self) -> bool:
        """The link works; whether that is news."""
        news, self.up, self.known_to_work = not self.up, True, True
        return news

    def overdue(self, now: float) -> bool:
        """Whether the open link is not up after `attach_seconds`."""
        return self.opened_at is not None and not self.up and now - self.opened_at > self._attach_seconds

    def age(self, now: float) -> float:
        """Seconds since the open link was opened; 0 without one."""
        return 0.0 if self.opened_at is None else now - self.opened_at

    def ended(self, now: float) -> float:
        """The link ended or could not be opened; seconds until the next one is due."""
        if self.up and self.age(now) >= STEADY_SECONDS:
            self._backoff.reset()
        wait = self._backoff.next()
        self.closed()
        self._open_at = now + wait
        return wait

    def closed(self) -> None:
        """We have closed the link; when the next one is due stays as it is."""
        self.opened_at, self.up = None, False
