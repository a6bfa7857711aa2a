"""One device's unfinished commands: the first ones, and the places of the others. Pure."""

from collections import deque
from typing import Final, Literal

from ingest.sink.intake.ticket import Ticket
from ingest.sink.pacing.backlog import Backlog
from ingest.timing import Backoff

WaitsFor = Literal["queue", "feedback", "answer"]
"""queue: for room in the device's queue in the hub. feedback: on earlier messages. answer: for the hub to take the
message, while it takes those of other devices."""
WORDS: Final[dict[WaitsFor, str]] = {
    "queue": "for room in the device's queue",
    "feedback": "for feedback on the device's messages before it",
    "answer": "for the hub to take it, which took others",
}


class DeviceQueue:
    """Oldest first: `queue`, then `backlog`."""

    __slots__ = ("backlog", "backoff", "device_id", "hold", "probing", "queue", "since", "slow_backoff", "waits_for")

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.queue: deque[Ticket] = deque()
        self.backlog: Backlog | None = None
        """None until one is needed: a device with one command at a time has a new `DeviceQueue` for each."""
        self.backoff: Backoff | None = None
        """For the first command, after a passing fault."""
        self.slow_backoff: Backoff | None = None
        """For the device, whose queue is full."""
        self.hold = 0
        """Number of its place among the held lanes; 0: not held."""
        self.since: float | None = None
        """Since when the device has taken nothing, though it was tried or had no credit."""
        self.waits_for: WaitsFor = "queue"
        """What the device waits for, while `since` is set."""
        self.probing = False
        """Whether the hub is tried though the device has no credit."""

    @property
    def places(self) -> Backlog:
        """The backlog, made now if there is none."""
        if self.backlog is None:
            self.backlog = Backlog()
        return self.backlog

    def wait(self, waits_for: WaitsFor, now: float) -> None:
        """Notes that the device takes nothing now, for this reason."""
        self.waits_for = waits_for
        if self.since is None:
            self.since = now

    def moves(self) -> None:
        """Notes that the device has taken a command."""
        self.since = self.slow_backoff = None

    def left(self, max_wait: float, now: float) -> float:
        """Returns the seconds until the first command has waited for `max_wait`; 0 or less: it has."""
        since = now if self.since is None else self.since
        return max(since, self.queue[0].offered_at) + max_wait - now
