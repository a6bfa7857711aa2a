"""Cloud-to-device messages of a running emulator, for tests and benchmarks: act as a device, inspect, set limits."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from ingest.amqp.performatives import RECEIVER, SENDER, Attach
from ingest.emulator.amqp.link import Link
from ingest.emulator.amqp.ports import LinkOwner
from ingest.emulator.c2d import feedback_link, service_link
from ingest.emulator.c2d.feedback_link import FeedbackLink
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.lock_queue import LockLost
from ingest.emulator.c2d.message import Delivery
from ingest.emulator.c2d.service_link import ServiceLink
from ingest.emulator.changes import Changes
from ingest.emulator.control.send_faults import Fate, SendFaults
from ingest.emulator.loop_thread import Call
from ingest.emulator.server import AmqpServer
from ingest.emulator.stats import C2dStats
from ingest.timing import Clock


class C2d:
    """Every method can be called from any thread."""

    def __init__(self, hub: C2dHub, faults: SendFaults, clock: Clock, changes: Changes, call: Call) -> None:
        """`call(f)` runs f in the server's thread and returns its result."""
        self.hub = hub
        """For the emulator's own listeners, in the server's thread."""
        self._faults = faults
        self._clock = clock
        self._changes = changes
        self._call = call
        self._consumed: list[Delivery] = []
        self._consumes = False
        self._consumers: frozenset[str] | None = None
        self._feedback_links: dict[FeedbackLink, None] = {}
        hub.watch(self._on_news)

    def serve(self, server: AmqpServer) -> None:
        """Let services attach to `server`. Call it before the server listens."""

        def sender(session: LinkOwner, attach: Attach) -> Link:
            return ServiceLink(session, attach, self.hub, self._faults)

        def receiver(session: LinkOwner, attach: Attach) -> Link:
            return FeedbackLink(session, attach, self.hub.feedback, self._clock, self._feedback_links)

        server.route_authorized(service_link.PATH, SENDER, sender)
        server.route_authorized(feedback_link.PATH, RECEIVER, receiver)
        server.every_tick(self._tick)

    def _tick(self) -> None:
        self.hub.tick()
        if self.hub.feedback.waiting:
            for link in list(self._feedback_links):
                link.on_window()

    def _on_news(self, device_id: str) -> None:
        if self._consumes and (self._consumers is None or device_id in self._consumers):
            self._consume(device_id)
        self._changes.notify()

    def orders(self) -> Mapping[str, Callable[..., object]]:
        """Returns what other processes can order, with arguments and answers that fit JSON."""

        def consumed() -> list[dict[str, object]]:
            """What was completed by auto_complete, in that order over all devices."""
            return [_readable(delivery) for delivery in self.consumed()]

        named: list[Callable[..., object]] = [
            self.auto_complete,
            self.stop_auto_complete,
            self.set_limit,
            self.set_daily_quota,
            self.purge,
            self.flush_feedback,
            self.completed_by_device,
            consumed,
        ]
        return {order.__name__: order for order in named}

    # Act as a device.

    def receive(self, device_id: str, seconds: float = 0.0) -> Delivery | None:
        """Locks the device's oldest free message for a minute and returns it; None if none comes in `seconds`."""
        return self._changes.wait_for(lambda: self._call(lambda: self.hub.take(device_id)), seconds)

    def complete(self, delivery: Delivery) -> None:
        """As the device: the command is done. Raises LockLost."""
        self._settle(lambda: self.hub.complete(delivery.device_id, delivery.lock_token))

    def reject(self, delivery: Delivery) -> None:
        """As the device: the command cannot be done; its message is dead. Raises LockLost."""
        self._settle(lambda: self.hub.reject(delivery.device_id, delivery.lock_token))

    def abandon(self, delivery: Delivery) -> None:
        """As the device: not now. The message goes back to its place in the queue; the tenth time ends it. Raises
        LockLost."""
        self._settle(lambda: self.hub.abandon(delivery.device_id, delivery.lock_token))

    def _settle(self, settle: Callable[[], None]) -> None:
        self._call(settle)
        self._changes.notify()

    def purge(self, device_id: str) -> int:
        """End all messages of a device, as a service may. Returns how many there were."""
        purged = self._call(lambda: self.hub.purge(device_id))
        self._changes.notify()
        return purged

    # Act as all devices.

    def auto_complete(self, device_ids: list[str] | None = None) -> None:
        """From now on these devices (None: all) complete every message at once; see `consumed`."""

        def start() -> None:
            self._consumes = True
            self._consumers = None if device_ids is None else frozenset(device_ids)
            for device_id in self.hub.device_ids() if device_ids is None else device_ids:
                self._consume(device_id)

        self._call(start)
        self._changes.notify()

    def stop_auto_complete(self) -> None:
        """Messages stay in their queues again."""

        def stop() -> None:
            self._consumes = False

        self._call(stop)

    def consumed(self) -> list[Delivery]:
        """Returns what `auto_complete` completed so far, in that order over all devices. Grows without bound."""
        return self._call(self._consumed.copy)

    def _consume(self, device_id: str) -> None:
        while (delivery := self.hub.take(device_id)) is not None:
            with suppress(LockLost):  # A clock that jumps can end the lock between the two.
                self.hub.complete(device_id, delivery.lock_token)
                self._consumed.append(delivery)

    # Look inside, set limits.

    def set_limit(self, sends_per_second: float | None, burst: float | None = None) -> None:
        """What the hub takes from now on; None: everything. A burst of None: as for a tier. Raises ValueError."""
        self._call(lambda: self.hub.bucket.set_rate(sends_per_second, burst))

    def set_daily_quota(self, messages: int | None) -> None:
        """Of the day that is under way; None: no limit."""
        self._call(lambda: self.hub.set_daily_quota(messages))

    def flush_feedback(self) -> None:
        """Let the feedback that is there go now instead of after 64 records or 15 seconds."""

        def flush() -> None:
            self.hub.feedback.flush(self._clock())
            self._tick()

        self._call(flush)

    def completed_by_device(self) -> Counter[str]:
        """Messages that each device completed."""
        return self._call(lambda: Counter(self.hub.completed_by_device))

    def stats(self) -> C2dStats:
        def look() -> C2dStats:
            return replace(
                self.hub.stats(),
                released=self._faults.struck[Fate.RELEASE],
                unanswered=self._faults.struck[Fate.LOSE],
                service_links=self._faults.links,
                service_link_attaches=self._faults.attaches,
            )

        return self._call(look)


def _readable(delivery: Delivery) -> dict[str, object]:
    command = delivery.command
    return {
        "device_id": command.device_id,
        "message_id": command.message_id,
        "body": command.body.decode(errors="backslashreplace"),
        "sequence_number": delivery.sequence_number,
        "enqueued_ms": delivery.enqueued_ms,
    }
