"""Which command is sent next: a lane per device, one command of each in flight, devices in turn. Pure.

Strict order needs one in flight: of two sent together the first may be throttled and the second taken. Across devices
sending is as parallel as the caller likes.
"""

import heapq
import random
from collections import deque
from typing import Final

from ingest.backoff import Backoff
from ingest.sink.command import Command
from ingest.sink.credit import Credit

RETRY_SECONDS: Final = (0.1, 10.0)
"""First and longest wait of a device whose command met a fault that passes."""
QUEUE_FULL_SECONDS: Final = (1.0, 60.0)
"""First and longest wait of a device whose queue in the hub is full."""
OVERHEAD_BYTES: Final = 1024
"""What a waiting command takes beside its body, about."""


class _Waiting:
    """One command from `offer` until `finish` or `drop`."""

    __slots__ = ("command", "dropped", "offered_at", "taken_at")

    def __init__(self, command: Command, offered_at: float) -> None:
        self.command = command
        self.offered_at = offered_at
        self.taken_at: float | None = None
        """None unless in flight."""
        self.dropped = False
        """Its partition went to another process while it was in flight: it is not tried again."""


class _Lane:
    """One device's commands, oldest first."""

    __slots__ = ("backoff", "device_id", "full_backoff", "full_since", "queue")

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.queue: deque[_Waiting] = deque()
        self.backoff: Backoff | None = None
        self.full_backoff: Backoff | None = None
        self.full_since: float | None = None


class Lanes:
    """The commands that one sink process has read and not finished.

    A lane is in exactly one state: ready, in flight, held until a time, or out of credit. Times are monotonic seconds.
    """

    def __init__(
        self,
        *,
        max_wait_seconds: float,
        capacity: int = 20_000,
        capacity_bytes: int = 64 << 20,
        credit: Credit | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`max_wait_seconds` as `sink.max_wait_seconds`. `capacity`, `capacity_bytes`: of waiting commands.
        `credit` when every message gets feedback, else None."""
        self._max_wait = max_wait_seconds
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._credit = credit
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._held: list[tuple[float, int, _Lane]] = []
        self._holds = 0
        self._out_of_credit: dict[str, _Lane] = {}
        self._count = 0
        self._bytes = 0
        self.in_flight = 0
        """Commands taken and neither finished nor given back."""

    def __len__(self) -> int:
        """Commands offered and not finished."""
        return self._count

    @property
    def has_room(self) -> bool:
        """False: stop reading for now. What was read already may still be offered; it goes above the capacity."""
        return self._count < self._capacity and self._bytes < self._capacity_bytes

    def offer(self, command: Command, now: float) -> None:
        """Queues a command behind those of its device."""
        lane = self._lanes.get(command.device_id)
        if lane is None:
            lane = self._lanes[command.device_id] = _Lane(command.device_id)
            self._ready.append(lane)
        lane.queue.append(_Waiting(command, now))
        self._count += 1
        self._bytes += _bytes(command)

    def ready(self, now: float) -> int:
        """How many `take` may give at once; fewer when devices have no credit."""
        self._wake(now)
        return len(self._ready)

    def take(self, now: float) -> Command | None:
        """The next command to send; None while none may be sent. It is in flight until sent, finish, retry or hold."""
        self._wake(now)
        while self._ready:
            lane = self._ready.popleft()
            if self._credit is not None and not self._credit.has(lane.device_id):
                self._out_of_credit[lane.device_id] = lane
                continue
            waiting = lane.queue[0]
            waiting.taken_at = now
            self.in_flight += 1
            return waiting.command
        return None

    def taken_at(self, command: Command) -> float:
        """When a command that is in flight was taken. Raises ValueError for any other."""
        taken_at = self._flying(command).queue[0].taken_at
        assert taken_at is not None
        return taken_at

    def wait(self, now: float) -> float | None:
        """Seconds until `take` may have a command; None when only an answer, feedback or an offer brings one."""
        if self._ready:
            return 0.0
        moments = [self._held[0][0]] if self._held else []
        if self._out_of_credit and self._credit is not None and (end := self._credit.end()) is not None:
            moments.append(end)
        return max(0.0, min(moments) - now) if moments else None

    def sent(self, command: Command, now: float) -> None:
        """The hub took it: finished, and counted against the device's credit."""
        lane = self._flying(command)
        if self._credit is not None and command.ack == "full":
            self._credit.spend(command.device_id, command.message_id, now)
        lane.full_since = lane.full_backoff = None
        self.finish(command)

    def finish(self, command: Command) -> None:
        """It is dead-lettered, or of no more concern. The device's next command may go."""
        lane = self._landed(command)
        self._remove(lane.queue.popleft())
        lane.backoff = None
        if lane.queue:
            self._ready.append(lane)
        else:
            del self._lanes[lane.device_id]

    def retry(self, command: Command, now: float) -> None:
        """A fault that passes (throttled, busy, time-out, disconnect): the same command again, a little later."""
        lane = self._flying(command)
        if lane.queue[0].dropped:
            self.finish(command)
            return
        self._landed(command)
        lane.backoff = lane.backoff or Backoff(*RETRY_SECONDS, rng=self._rng)
        self._hold(lane, now + lane.backoff.next())

    def hold(self, command: Command, now: float) -> bool:
        """The device's queue in the hub is full: the same command again, later each time.

        False when the full queue has held it back for `max_wait_seconds`: still in flight, for the caller to
        dead-letter and `finish`. What waits behind it has been held back as long, and is then tried once each.
        """
        lane = self._flying(command)
        waiting = lane.queue[0]
        if waiting.dropped:
            self.finish(command)
            return True
        since = lane.full_since = now if lane.full_since is None else lane.full_since
        left = max(since, waiting.offered_at) + self._max_wait - now
        if left <= 0:
            return False
        self._landed(command)
        lane.full_backoff = lane.full_backoff or Backoff(*QUEUE_FULL_SECONDS, rng=self._rng)
        self._hold(lane, now + min(lane.full_backoff.next(), left))
        return True

    def feedback(self, device_id: str, message_id: str, now: float) -> None:
        """The hub told what became of a message."""
        if self._credit is not None:
            self._credit.give_back(device_id, message_id)
            self._wake(now)

    def drop(self, topic: str, partition: int) -> list[Command]:
        """Forgets the partition's commands that are not in flight, and gives them; those in flight are not tried again."""
        dropped: list[Command] = []
        for lane in list(self._lanes.values()):
            kept: deque[_Waiting] = deque()
            for waiting in lane.queue:
                if waiting.command.origin[:2] != (topic, partition):
                    kept.append(waiting)
                elif waiting.taken_at is not None:
                    waiting.dropped = True
                    kept.append(waiting)
                else:
                    self._remove(waiting)
                    dropped.append(waiting.command)
            lane.queue = kept
            if not kept:
                del self._lanes[lane.device_id]
        self._ready = deque(lane for lane in self._ready if lane.queue)
        self._held = [held for held in self._held if held[2].queue]
        heapq.heapify(self._held)
        self._out_of_credit = {device_id: lane for device_id, lane in self._out_of_credit.items() if lane.queue}
        return dropped

    def _wake(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            self._ready.append(heapq.heappop(self._held)[2])
        if self._credit is not None:
            for device_id in self._credit.freed(now):
                lane = self._out_of_credit.pop(device_id, None)
                if lane is not None:
                    self._ready.append(lane)

    def _flying(self, command: Command) -> _Lane:
        lane = self._lanes.get(command.device_id)
        if lane is None or lane.queue[0].command is not command or lane.queue[0].taken_at is None:
            raise ValueError(f"the command {command.message_id} is not in flight")
        return lane

    def _landed(self, command: Command) -> _Lane:
        lane = self._flying(command)
        lane.queue[0].taken_at = None
        self.in_flight -= 1
        return lane

    def _hold(self, lane: _Lane, until: float) -> None:
        self._holds += 1
        heapq.heappush(self._held, (until, self._holds, lane))

    def _remove(self, waiting: _Waiting) -> None:
        self._count -= 1
        self._bytes -= _bytes(waiting.command)


def _bytes(command: Command) -> int:
    return len(command.body) + OVERHEAD_BYTES
