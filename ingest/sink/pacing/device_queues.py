"""Which command is sent next: a lane per device, one command of each in flight, one device after another. Pure.

Strict order allows only one in flight: of two sent together the first can be throttled and the second taken. Across
devices the caller can send in parallel without limit.

A lane holds some commands itself. Of later ones it keeps only the places, so that a device that takes none never keeps
the caller from reading commands for others; the caller reads them again when the lane wants them.
"""

import heapq
import random
from collections import deque
from typing import Final

from ingest.sink.commands.command import Command, Origin
from ingest.sink.intake.ticket import Ticket
from ingest.sink.pacing.device_queue import WORDS, DeviceQueue
from ingest.sink.pacing.outstanding import OutstandingLimit
from ingest.timing import Backoff

RETRY_SECONDS: Final = (0.1, 10.0)
"""First and longest wait of a device whose command met a passing fault."""
QUEUE_FULL_SECONDS: Final = (1.0, 60.0)
"""First and longest wait of a device whose queue in the hub is full."""
PROBE_SECONDS: Final = 60.0
"""How often a device without credit is tried nevertheless: only the hub knows whether its queue is full."""
OVERHEAD_BYTES: Final = 1024
"""About what a waiting command takes besides its body."""
LANE_BYTES: Final = 1536
"""About what a device with a waiting command takes."""


class DeviceQueues:
    """The commands that one sink process has read and not finished.

    A lane is in exactly one state: ready, in flight, held until a time, or without own commands, when it wants some.
    Times are monotonic seconds.
    """

    def __init__(
        self,
        *,
        max_wait_seconds: float,
        capacity: int = 20_000,
        capacity_bytes: int = 64 << 20,
        per_device: int = 200,
        places: int = 1_000_000,
        credit: OutstandingLimit | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`max_wait_seconds` as `sink.max_wait_seconds`. `capacity`, `capacity_bytes`: for waiting commands,
        `per_device` for one device's; `places`: for later ones. `credit` if every message gets feedback, else None."""
        self._max_wait = max_wait_seconds
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._per_device = per_device
        self._places = places
        self._credit = credit
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, protects no secret
        self._lanes: dict[str, DeviceQueue] = {}
        self._ready: deque[DeviceQueue] = deque()
        self._held: list[tuple[float, int, DeviceQueue]] = []
        """With the number of the hold: a different number in the lane means that this hold is over."""
        self._holds = 0
        self._hungry: dict[str, DeviceQueue] = {}
        self._count = 0
        self._bytes = 0
        self.deferred = 0
        """Commands of which only the places are kept."""
        self.in_flight = 0
        """Commands taken and neither finished nor given back."""

    def __len__(self) -> int:
        """Returns the number of commands offered and not finished, of which more than the place is kept."""
        return self._count

    @property
    def has_room(self) -> bool:
        """Whether to go on reading. What was already read may still be offered, above the capacity."""
        return self._has_memory and self.deferred < self._places

    @property
    def _has_memory(self) -> bool:
        return self._count < self._capacity and self._bytes < self._capacity_bytes

    @property
    def trouble(self) -> str | None:
        """Why no more is read, if the cause is devices that take nothing."""
        if self.has_room:
            return None
        held = sum(lane.hold > 0 for lane in self._lanes.values())
        if self.deferred < self._places and 2 * held < len(self._lanes):
            return None
        waiting = self._count + self.deferred
        return f"{waiting} commands wait, most of them for devices that take none ({held} now), and no more are read"

    def offer(self, ticket: Ticket, now: float, *, kept_bytes: int = 0) -> bool:
        """Queues a command after those of its device; returns False if only its place is kept.

        `kept_bytes`: what its ticket keeps besides the command, usually its record.
        """
        device_id = ticket.command.device_id
        lane = self._lanes.get(device_id)
        if lane is None:
            lane = self._lanes[device_id] = DeviceQueue(device_id)
            self._ready.append(lane)
            self._bytes += LANE_BYTES
        if lane.backlog or len(lane.queue) >= self._per_device:
            lane.places.append(ticket.origin, now)
            self.deferred += 1
            self._look(lane)
            return False
        self._add(lane, ticket, now, kept_bytes)
        return True

    def wanted(self, count: int) -> list[tuple[str, Origin]]:
        """Returns which deferred commands to read again now, with their devices, `count` at most; see `returned`."""
        found: list[tuple[str, Origin]] = []
        for lane in list(self._hungry.values()):
            self._look(lane)
            if lane.device_id not in self._hungry or not (self._has_memory or not lane.queue):
                continue
            # An empty lane gets one whatever the memory, or it might never get any.
            most = self._per_device - len(lane.queue) if self._has_memory else 1
            found += [(lane.device_id, origin) for origin in lane.places.next(min(most, count - len(found)))]
            if len(found) >= count:
                break
        return found

    def returned(self, device_id: str, origin: Origin, ticket: Ticket | None, *, kept_bytes: int = 0) -> bool:
        """Takes a wanted command that was read again; None: it is gone or invalid, and the caller finishes it.

        Returns False if it is no longer wanted.
        """
        lane = self._lanes.get(device_id)
        offered_at = lane.backlog.pop(origin) if lane is not None and lane.backlog is not None else None
        if lane is None or offered_at is None:
            return False
        self.deferred -= 1
        if ticket is not None:
            if not lane.queue:
                self._ready.append(lane)
            self._add(lane, ticket, offered_at, kept_bytes)
        self._tidy(lane)
        return True

    def spill(self) -> list[Origin]:
        """Keeps only the places of held devices' later commands, until there is room again; returns those places."""
        spilled: list[Origin] = []
        for _, number, lane in self._held:
            if self._has_memory:
                break
            if lane.hold != number or len(lane.queue) < 2:
                continue
            first, *others = lane.queue
            lane.places.put_first([(ticket.origin, ticket.offered_at) for ticket in others])
            lane.queue = deque([first])
            for ticket in others:
                self._remove(ticket)
                spilled.append(ticket.origin)
            self.deferred += len(others)
            self._look(lane)
        return spilled

    def ready(self, now: float) -> int:
        """Returns how many `take` can give at once; fewer if devices have no credit."""
        self._wake(now)
        return len(self._ready)

    def take(self, now: float) -> Ticket | None:
        """Returns the next command to send, None if none may go. It is in flight until sent, finish, retry or hold."""
        self._wake(now)
        while self._ready:
            lane = self._ready.popleft()
            if not self._may_go(lane, now):
                continue
            ticket = lane.queue[0]
            ticket.taken_at = now
            self.in_flight += 1
            return ticket
        return None

    def flying(self, command: Command) -> tuple[Ticket, float]:
        """Returns the ticket of a command that is in flight, and when it was taken. Raises ValueError for any other."""
        lane = self._lanes.get(command.device_id)
        if lane is not None and lane.queue:
            first = lane.queue[0]
            if first.command is command and first.taken_at is not None:
                return first, first.taken_at
        raise ValueError(f"the command {command.message_id} is not in flight")

    def wait(self, now: float) -> float | None:
        """Returns seconds until `take` can have a command; None if only an answer, feedback or an offer brings one."""
        if self._ready:
            return 0.0
        while self._held and self._held[0][2].hold != self._held[0][1]:
            heapq.heappop(self._held)
        moments = [self._held[0][0]] if self._held else []
        if moments and self._credit is not None and (end := self._credit.end()) is not None:
            moments.append(end)
        return max(0.0, min(moments) - now) if moments else None

    def sent(self, ticket: Ticket, now: float) -> None:
        """Notes that the hub took it: it is finished, and counts against the device's credit."""
        lane = self._flying(ticket)
        if self._credit is not None:
            if lane.probing and not self._credit.has(lane.device_id):
                self._credit.forget(lane.device_id)
            command = ticket.command
            if command.ack == "full":
                self._credit.spend(command.device_id, command.message_id, now)
        lane.moves()
        self._finish(lane, ticket)

    def finish(self, ticket: Ticket) -> None:
        """Notes that it is dead-lettered, or no longer matters. The device's next command may go."""
        self._finish(self._flying(ticket), ticket)

    def retry(self, ticket: Ticket, now: float, *, blamed: bool = False) -> bool:
        """After a passing fault (throttled, busy, time-out, disconnect), tries the same command again a little later.

        `blamed`: the fault is the device's own, as the hub takes commands for others. Returns False, as in `hold`, if
        it has lasted for `max_wait_seconds`; a fault that all devices share can last forever.
        """
        lane = self._flying(ticket)
        if lane.queue[0].dropped:
            self._finish(lane, ticket)
            return True
        if blamed:
            lane.wait("answer", now)
            if lane.left(self._max_wait, now) <= 0:
                return False
        elif lane.waits_for == "answer":
            lane.since = None
        self._land(lane, ticket)
        lane.backoff = lane.backoff or Backoff(*RETRY_SECONDS, rng=self._rng)
        self._hold(lane, now + lane.backoff.next())
        return True

    def hold(self, ticket: Ticket, now: float) -> bool:
        """The device's queue in the hub is full: tries the same command again, later each time.

        Returns False if the device has held it back for `max_wait_seconds`: it stays in flight, for the caller to
        dead-letter and `finish`. The commands after it have been held back equally long, and are then tried once each.
        """
        lane = self._flying(ticket)
        if lane.queue[0].dropped:
            self._finish(lane, ticket)
            return True
        lane.wait("feedback" if lane.probing and lane.since is not None else "queue", now)
        left = lane.left(self._max_wait, now)
        if left <= 0:
            return False
        self._land(lane, ticket)
        lane.slow_backoff = lane.slow_backoff or Backoff(*QUEUE_FULL_SECONDS, rng=self._rng)
        self._hold(lane, now + min(lane.slow_backoff.next(), left))
        return True

    def waited(self, ticket: Ticket, now: float) -> str:
        """Returns how long the device has held back a command in flight, and what it waits for, in words."""
        lane = self._flying(ticket)
        since = now if lane.since is None else max(lane.since, lane.queue[0].offered_at)
        return f"it has waited {now - since:.0f} s {WORDS[lane.waits_for]}"

    def feedback(self, device_id: str, message_id: str, now: float) -> None:
        """Takes the hub's feedback on a message."""
        if self._credit is not None:
            self._credit.give_back(device_id, message_id)
            self._wake(now)

    def drop(self, topic: str, partition: int) -> list[Ticket]:
        """Forgets the partition's commands that are not in flight, and returns them; those in flight are not tried
        again. Its deferred commands are forgotten, too."""
        dropped: list[Ticket] = []
        for lane in list(self._lanes.values()):
            if lane.backlog is not None:
                self.deferred -= lane.backlog.drop(topic, partition)
            kept: deque[Ticket] = deque()
            for ticket in lane.queue:
                if ticket.origin[:2] != (topic, partition):
                    kept.append(ticket)
                elif ticket.taken_at is not None:
                    ticket.dropped = True
                    kept.append(ticket)
                else:
                    self._remove(ticket)
                    dropped.append(ticket)
            lane.queue = kept
            if not kept:
                lane.hold = 0
            self._tidy(lane)
        self._ready = deque(lane for lane in self._ready if lane.queue)
        return dropped

    def _may_go(self, lane: DeviceQueue, now: float) -> bool:
        """Whether the lane's first command may be sent; else it is held until feedback comes or the hub is tried."""
        if self._credit is None or lane.probing or self._credit.has(lane.device_id):
            return True
        lane.wait("feedback", now)
        lane.probing = True
        left = lane.left(self._max_wait, now)
        if left <= 0:
            return True
        self._hold(lane, now + min(PROBE_SECONDS, left))
        return False

    def _wake(self, now: float) -> None:
        while self._held and self._held[0][0] <= now:
            _, number, lane = heapq.heappop(self._held)
            if lane.hold == number:
                lane.hold = 0
                self._ready.append(lane)
        if self._credit is not None:
            for device_id in self._credit.freed(now):
                moved = self._lanes.get(device_id)
                # Its queue has room again, whether it waited for that or for the feedback.
                if moved is not None and moved.hold and moved.since is not None:
                    moved.hold = 0
                    moved.probing = False
                    self._ready.append(moved)

    def _flying(self, ticket: Ticket) -> DeviceQueue:
        lane = self._lanes.get(ticket.command.device_id)
        if lane is None or not lane.queue or lane.queue[0] is not ticket or ticket.taken_at is None:
            raise ValueError(f"this ticket of the command {ticket.command.message_id} is not in flight")
        return lane

    def _land(self, lane: DeviceQueue, ticket: Ticket) -> None:
        ticket.taken_at = None
        lane.probing = False
        self.in_flight -= 1

    def _finish(self, lane: DeviceQueue, ticket: Ticket) -> None:
        self._land(lane, ticket)
        lane.queue.popleft()
        self._remove(ticket)
        lane.backoff = None
        if lane.queue:
            self._ready.append(lane)
        self._tidy(lane)

    def _hold(self, lane: DeviceQueue, until: float) -> None:
        self._holds += 1
        lane.hold = self._holds
        heapq.heappush(self._held, (until, self._holds, lane))

    def _stands(self, lane: DeviceQueue) -> bool:
        """Whether the device takes nothing, so that more of its commands do not help."""
        return lane.hold > 0 and lane.since is not None

    def _look(self, lane: DeviceQueue) -> None:
        """Notes whether the lane wants commands of its backlog."""
        queue = lane.queue
        if lane.backlog and (not queue or (2 * len(queue) <= self._per_device and not self._stands(lane))):
            self._hungry[lane.device_id] = lane
        elif self._hungry:
            self._hungry.pop(lane.device_id, None)

    def _tidy(self, lane: DeviceQueue) -> None:
        """Ends a lane without commands."""
        self._look(lane)
        if not lane.queue and not lane.backlog:
            del self._lanes[lane.device_id]
            self._bytes -= LANE_BYTES

    def _add(self, lane: DeviceQueue, ticket: Ticket, offered_at: float, kept_bytes: int) -> None:
        ticket.offered_at = offered_at
        ticket.bytes = ticket.command.size + kept_bytes + OVERHEAD_BYTES
        lane.queue.append(ticket)
        self._count += 1
        self._bytes += ticket.bytes

    def _remove(self, ticket: Ticket) -> None:
        self._count -= 1
        self._bytes -= ticket.bytes
