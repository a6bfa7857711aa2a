"""Cloud-to-device messages inside the hub: what is taken, the queue of each device, what became of each message.

Pure but for the clock that is passed in; for one thread. Source: "Send cloud-to-device messages from an IoT hub" and
"Reference - IoT Hub quotas and throttling", Microsoft Learn.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

from ingest.amqp.message import Message
from ingest.emulator import conditions
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.lock_queue import Entry, LockLost, LockQueue, QueueFull
from ingest.emulator.c2d.message import BadMessage, Command, Delivery, device_of, parse
from ingest.emulator.c2d.throttle import DailyQuota, TokenBucket
from ingest.emulator.conditions import Condition, End
from ingest.emulator.device_registry import Devices, UnknownDevice
from ingest.emulator.stats import C2dStats
from ingest.hub.limits import COMMANDS_PER_DEVICE
from ingest.timing import Clock

DEFAULT_TTL_SECONDS: Final = 3600.0
LOCK_SECONDS: Final = 60.0
MAX_DELIVERIES: Final = 10


class _Queued:
    """What a device queue holds: the command and when it came."""

    __slots__ = ("command", "enqueued_at")

    def __init__(self, command: Command, enqueued_at: float) -> None:
        self.command = command
        self.enqueued_at = enqueued_at


class C2dHub:
    """`send` for services, `take` and the ways to settle for devices. Call `tick` a few times a second."""

    def __init__(self, devices: Devices, bucket: TokenBucket, quota: DailyQuota, feedback: Feedback, clock: Clock):
        self.bucket = bucket
        self.feedback = feedback
        self._devices = devices
        self._quota = quota
        self._clock = clock
        self._queues: dict[str, LockQueue[_Queued]] = {}
        self._subscribers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._watchers: list[Callable[[str], None]] = []
        self.completed_by_device: Counter[str] = Counter()
        self._accepted = 0
        self._delivered = 0
        self._ended: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    # For services.

    def send(self, message: Message) -> Condition | None:
        """Put one message into its device's queue, or say why not.

        A message whose expiry has passed is accepted and expires at once, with feedback.
        """
        refusal = self._send(message)
        if refusal is not None:
            self.count_rejected(refusal)
        return refusal

    def _send(self, message: Message) -> Condition | None:
        now = self._clock()
        if not self.bucket.take(now):
            return conditions.c2d_throttled(self.bucket.rate or 0.0)
        try:
            command = parse(message)
            self._devices.check_known(command.device_id)
        except BadMessage as error:
            return error.condition
        except UnknownDevice:
            return conditions.device_not_found(device_of(message) or "")
        if not self._quota.has_room(command.size, now):
            return conditions.quota_exceeded(self._quota.limit or 0)
        queue = self._queues.get(command.device_id)
        if queue is None:
            queue = self._queues[command.device_id] = LockQueue(
                limit=COMMANDS_PER_DEVICE, lock_seconds=LOCK_SECONDS, max_deliveries=MAX_DELIVERIES, ended=self._on_end
            )
        expires_at = now + DEFAULT_TTL_SECONDS if command.expiry_ms is None else command.expiry_ms / 1000
        try:
            queue.put(_Queued(command, now), expires_at, now)
        except QueueFull:
            return conditions.device_queue_full(COMMANDS_PER_DEVICE)
        self._quota.spend(command.size, now)
        self._accepted += 1
        self._wake(command.device_id)
        return None

    def count_rejected(self, condition: Condition) -> None:
        """Book a rejection that was not decided here."""
        self._rejected[condition.condition] += 1

    def set_daily_quota(self, messages: int | None) -> None:
        """None: no limit."""
        self._quota.limit = messages

    def device_ids(self) -> list[str]:
        """Devices that were ever sent a message."""
        return list(self._queues)

    def purge(self, device_id: str) -> int:
        """End all messages of a device. Returns how many there were."""
        queue = self._queues.get(device_id)
        return 0 if queue is None else queue.purge(self._clock())

    # For devices.

    def take(self, device_id: str, lock_seconds: float | None = None) -> Delivery | None:
        """The oldest message that nobody holds, locked for `LOCK_SECONDS` unless told otherwise."""
        queue = self._queues.get(device_id)
        entry = None if queue is None else queue.take(self._clock(), lock_seconds)
        if entry is None:
            return None
        self._delivered += 1
        return Delivery(
            entry.item.command,
            entry.lock_token,
            entry.sequence,
            entry.abandoned,
            int(entry.item.enqueued_at * 1000),
            int(entry.expires_at * 1000),
        )

    def complete(self, device_id: str, lock_token: str) -> None:
        """Raises LockLost."""
        self._queue(device_id).complete(lock_token, self._clock())

    def reject(self, device_id: str, lock_token: str) -> None:
        """Raises LockLost."""
        self._queue(device_id).reject(lock_token, self._clock())

    def abandon(self, device_id: str, lock_token: str) -> None:
        """Raises LockLost."""
        self._queue(device_id).abandon(lock_token, self._clock())
        self._wake(device_id)

    def release(self, device_id: str, lock_token: str) -> None:
        """The device went away before it saw the message: no attempt is counted. Raises LockLost."""
        self._queue(device_id).release(lock_token, self._clock())
        self._wake(device_id)

    def _queue(self, device_id: str) -> LockQueue[_Queued]:
        queue = self._queues.get(device_id)
        if queue is None:
            raise LockLost(f"Device {device_id!r} holds no message.")
        return queue

    # News.

    def subscribe(self, device_id: str, notify: Callable[[], None]) -> Callable[[], None]:
        """`notify()` is called when the device may have a message to take: a new one, or one that came back.

        Returns what ends the subscription.
        """
        self._subscribers[device_id].append(notify)

        def unsubscribe() -> None:
            self._subscribers[device_id].remove(notify)
            if not self._subscribers[device_id]:
                del self._subscribers[device_id]

        return unsubscribe

    def watch(self, wake: Callable[[str], None]) -> None:
        """`wake(device_id)`: as `subscribe`, for every device and for good."""
        self._watchers.append(wake)

    def _wake(self, device_id: str) -> None:
        for watcher in self._watchers:
            watcher(device_id)
        for notify in list(self._subscribers.get(device_id, ())):
            notify()

    def tick(self) -> None:
        """Locks that run out, messages that expire, feedback that is due."""
        now = self._clock()
        for device_id in [device_id for device_id, queue in self._queues.items() if queue.tick(now)]:
            self._wake(device_id)
        self.feedback.tick(now)

    def _on_end(self, entry: Entry[_Queued], end: End, now: float) -> None:
        self._ended[end.value] += 1
        if end is End.COMPLETED:
            self.completed_by_device[entry.item.command.device_id] += 1
        self.feedback.add(entry.item.command, end, now)

    def stats(self) -> C2dStats:
        """Without what is known of links alone."""
        return C2dStats(
            accepted=self._accepted,
            rejected=dict(self._rejected),
            delivered=self._delivered,
            ended=dict(self._ended),
            queued=sum(len(queue) for queue in self._queues.values()),
            quota_used=self._quota.used(self._clock()),
            feedback_records=self.feedback.records,
            feedback_batches_waiting=self.feedback.waiting,
            feedback_batches_completed=self.feedback.batch_ends[End.COMPLETED],
        )
