"""An MQTT listener on a loop of its own, with the hub's queues of commands, for tests."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from ingest.amqp.message import Data, Message, Properties
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.message import Delivery
from ingest.emulator.c2d.throttle import limits_of
from ingest.emulator.certificate import Certificate
from ingest.emulator.conditions import End
from ingest.emulator.device_registry import Devices
from ingest.emulator.loop_thread import LoopThread
from ingest.emulator.mqtt.server import PORT, MqttServer

T = TypeVar("T")
DEADLINE_SECONDS = 10.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Log:
    """What happened, in order, to be waited for from another thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Any] = []

    def append(self, item: object) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def wait(self, count: int, seconds: float = DEADLINE_SECONDS) -> list[Any]:
        """All items once there are `count`. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) >= count, seconds):
                raise TimeoutError(f"{len(self._items)} of {count} after {seconds:g} s: {self._items}")
            return list(self._items)


class Commands(C2dHub):
    """Tells how messages ended that a device took. In the loop's thread, as all of the hub."""

    def __init__(self, devices: Devices, clock: Clock) -> None:
        super().__init__(devices, *limits_of(None, 1), Feedback("hub"), clock)
        self.ended = Log()
        """(body, how it ended)."""
        self.subscriptions = 0
        self._taken: dict[str, bytes] = {}

    def subscribe(self, device_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        unsubscribe = super().subscribe(device_id, wake)
        self.subscriptions += 1

        def end() -> None:
            self.subscriptions -= 1
            unsubscribe()

        return end

    def take(self, device_id: str, lock_seconds: float | None = None) -> Delivery | None:
        delivery = super().take(device_id, lock_seconds)
        if delivery is not None:
            self._taken[delivery.lock_token] = delivery.body
        return delivery

    def complete(self, device_id: str, lock_token: str) -> None:
        super().complete(device_id, lock_token)
        self.ended.append((self._taken[lock_token], End.COMPLETED))

    def reject(self, device_id: str, lock_token: str) -> None:
        super().reject(device_id, lock_token)
        self.ended.append((self._taken[lock_token], End.REJECTED))


class Listener:
    """A `with` block around a running MqttServer."""

    def __init__(self, certificate: Certificate, *, port: int = 0, known: Collection[str] | None = None) -> None:
        self.certificate = certificate
        self.host = "127.0.0.1"
        self.port = port
        self.clock = Clock(time.time())
        self.monotonic = Clock(0.0)
        self.devices = Devices(b"secret", self.host, self.clock, known)
        self.commands = Commands(self.devices, self.clock)
        self.telemetry = Log()
        """Dictionaries of `Hub.publish`'s arguments."""
        self._thread = LoopThread("mqtt")
        self.server = self._make()

    def _make(self) -> MqttServer:
        tls = self.certificate.server_context()
        return MqttServer(
            self.devices, self._publish, self.commands, tls, self.clock, port=self.port, monotonic=self.monotonic
        )

    def _publish(self, device_id: str, body: bytes, **fields: Any) -> None:
        given = {name: value for name, value in fields.items() if value is not None and name != "properties"}
        self.telemetry.append({"device_id": device_id, "body": body, **given, "properties": fields["properties"]})

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._listen()
        except BaseException:
            self._thread.close(DEADLINE_SECONDS)
            raise
        return self

    def _listen(self) -> None:
        self.port = self._thread.submit(self.server.start(self.host)).result(DEADLINE_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        finally:
            self._thread.close(DEADLINE_SECONDS)

    def close(self) -> None:
        """End the server alone; harmless when repeated."""
        self._thread.submit(self.server.close()).result(DEADLINE_SECONDS)

    def command(
        self, body: bytes, device_id: str = "dev1", properties: dict[str, Any] | None = None, **system: Any
    ) -> None:
        """Send a command to a device, as a service does."""
        to = f"/devices/{device_id}/messages/devicebound"
        message = Message(properties=Properties(to=to, **system), application_properties=properties, body=Data((body,)))
        assert self.call(lambda: self.commands.send(message)) is None

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the loop's thread."""
        return self._thread.call(function)

    def published(self) -> list[Any]:
        """The telemetry so far, once the loop is through with what it is at."""
        return self.call(lambda: self.telemetry.wait(0))

    def connected(self) -> frozenset[str]:
        return self.call(self.server.connected)

    def tick(self) -> None:
        self.call(self.server.tick)

    def abort(self, device_id: str) -> bool:
        return self.call(lambda: self.server.abort(device_id))


class FixedPortListener(Listener):
    """On the one port that stock clients know, at an address of 127.0.0.0/8 where it is free."""

    def __init__(self, certificate: Certificate, hosts: Collection[str]) -> None:
        super().__init__(certificate, port=PORT)
        self._hosts = hosts

    def _listen(self) -> None:
        for host in self._hosts:
            self.host = host
            self.devices = Devices(b"secret", host, self.clock)
            self.server = self._make()
            with suppress(OSError):
                super()._listen()
                return
        raise OSError(f"Port {PORT} is taken at every address tried: {', '.join(self._hosts)}.")
