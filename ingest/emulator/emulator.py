"""A local IoT Hub in this process: one object, one thread, usable from any thread."""

import tempfile
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ingest.amqp.message import Message
from ingest.emulator import refused_links
from ingest.emulator.c2d import address, https
from ingest.emulator.c2d.facade import C2d
from ingest.emulator.c2d.feedback import Feedback
from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.c2d.throttle import limits_of
from ingest.emulator.certificate import make_certificate
from ingest.emulator.changes import Changes
from ingest.emulator.control import endpoint
from ingest.emulator.control.endpoint import Control
from ingest.emulator.control.faults import Faults
from ingest.emulator.device_registry import TOKEN_SECONDS, Devices
from ingest.emulator.devices.fleet import Fleet, Telemetry
from ingest.emulator.devices.https import DeviceHttps
from ingest.emulator.devices.simulation import Progress, Simulation
from ingest.emulator.keys import POLICY, Endpoints, Keys
from ingest.emulator.loop_thread import LoopThread
from ingest.emulator.mqtt.server import MqttServer
from ingest.emulator.server import AmqpServer
from ingest.emulator.stats import Stats
from ingest.emulator.telemetry.hub import Event, Hub
from ingest.emulator.telemetry.log import Position
from ingest.errors import IngestError
from ingest.timing import Clock

HOST_NAME = "localhost"
"""The hub's name for devices and services."""
JSON = "application/json"
_START_SECONDS = 20.0
_CLOSE_SECONDS = 5.0
_T = TypeVar("_T")


class Component(Protocol):
    """A part of the emulator with its own listener. Runs in the emulator's loop."""

    async def start(self, host: str) -> int:
        """Listen, and return the port."""

    async def close(self) -> None: ...


class Emulator:
    """An IoT Hub with an Event Hub-compatible endpoint, on loopback unless `host` says otherwise.

    `retention_events` keeps that many events per partition (None: all); `idle_seconds` is how long a client may be
    silent; `known_devices` closes the registry (None: every legal id is a device).
    `c2d` opens port 5671, which is fixed in services' clients, on the address `c2d_host` (None: a free loopback
    address; giving one implies `c2d`); the TLS port of Event Hubs' clients serves the service link too.
    `mqtt` opens port 8883 on that address as well, for the stock device client.
    `tier` and `units` limit cloud-to-device messages (None: no limit; raises IngestError if one is not on sale).
    Lifecycle: `start`, `close`, or a `with` block.
    """

    def __init__(
        self,
        *,
        partitions: int = 4,
        host: str = "127.0.0.1",
        event_hub: str = "iothub-ehub-emulator",
        consumer_groups: Sequence[str] = ("$Default",),
        retention_events: int | None = None,
        keys: Keys | None = None,
        clock: Clock = time.time,
        idle_seconds: float = 240.0,
        known_devices: Collection[str] | None = None,
        c2d: bool = False,
        c2d_host: str | None = None,
        mqtt: bool = False,
        tier: str | None = None,
        units: int = 1,
    ) -> None:
        self.keys = keys or Keys()
        self.hub = Hub(
            name=event_hub,
            partitions=partitions,
            consumer_groups=consumer_groups,
            retention_events=retention_events,
            clock=clock,
        )
        self._host = host
        self._clock = clock
        self._thread = LoopThread("emulator")
        self._changes = Changes()
        self._serves_c2d = c2d or mqtt or c2d_host is not None
        self._serves_mqtt = mqtt
        self._c2d_host = c2d_host
        self._server = AmqpServer(
            self.hub, self.keys, clock, loop=self._thread.loop, idle_seconds=idle_seconds, changed=self._changes.notify
        )
        self.faults = Faults(self.hub, self._server, self._thread.call)
        self._server.faults = self.faults
        self.devices = Devices(self.keys.devices.encode(), HOST_NAME, clock, known_devices)
        bucket, quota = limits_of(tier, units)
        self.c2d = C2d(
            C2dHub(self.devices, bucket, quota, Feedback(event_hub), clock),
            self.faults.sends,
            clock,
            self._changes,
            self._thread.call,
        )
        self.c2d.serve(self._server)
        refused_links.refuse(self._server, event_hub, lambda: self._endpoints.control if self._endpoints else "")
        self._control = Control(self.hub, self.devices, self.faults, self.stats, self.c2d.orders())
        self._simulation: Simulation | None = None
        self._closing = AsyncExitStack()
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where the emulator listens. Raises IngestError before `start`."""
        if self._endpoints is None:
            raise IngestError("The emulator has no endpoints before it is started.")
        return self._endpoints

    def start(self) -> None:
        """Listen; when this returns, clients can connect. Raises OSError if a port cannot be bound, and IngestError if
        that port is 5671."""
        self._directory = tempfile.TemporaryDirectory(prefix="ingest-emulator-")
        self._thread.start()
        try:
            self._endpoints = self._thread.submit(self._listen(Path(self._directory.name))).result(_START_SECONDS)
        except BaseException:
            self.close()
            raise

    async def _listen(self, directory: Path) -> Endpoints:
        plain = await self._server.listen(self._host, None)
        service = address.bind(self._c2d_host, mqtt=self._serves_mqtt) if self._serves_c2d else None
        service_host = "127.0.0.1" if service is None else str(service.getsockname()[0])
        service_name = self.devices.host_name = address.host_name(service_host)
        certificate = make_certificate(directory, ("localhost", "127.0.0.1", self._host, service_host))
        tls = certificate.server_context()
        if service is not None:
            await self._server.listen_on(service, tls)
        if self._serves_mqtt:
            mqtt = MqttServer(self.devices, self.hub.publish, self.c2d.hub, tls, self._clock)
            await self._open(mqtt, service_host)
        secure = await self._server.listen(self._host, tls)
        commands = https.routes(self.devices, self.c2d.hub, self._clock)
        devices = await self._open(DeviceHttps(self.devices, self.hub.publish, tls, self._clock, commands), self._host)
        control_port = await self._open(self._control, endpoint.HOST)
        key = f"SharedAccessKeyName={POLICY};SharedAccessKey={self.keys.service}"
        path = f"EntityPath={self.hub.name}"
        return Endpoints(
            event_hub_connection_string=f"Endpoint=sb://{self._host}:{plain};{key};{path};UseDevelopmentEmulator=true",
            event_hub_connection_string_tls=f"Endpoint=sb://localhost:{secure}/;{key};{path}",
            iot_hub_connection_string=f"HostName={service_name};{key}",
            amqp=f"amqp://{self._host}:{plain}",
            amqps=f"amqps://localhost:{secure}",
            https=f"https://localhost:{devices}",
            control=f"http://{endpoint.HOST}:{control_port}",
            ca_file=str(certificate.ca_file),
            partitions=len(self.hub.partitions),
            event_hub_connection_string_5671="" if service is None else f"Endpoint=sb://{service_name}/;{key};{path}",
        )

    async def _open(self, component: Component, host: str) -> int:
        self._closing.push_async_callback(component.close)
        return await component.start(host)

    def close(self) -> None:
        """Disconnect all clients and release ports, thread and files, within a few seconds. Can be called again."""
        try:
            if self._thread.alive:
                self._thread.submit(self._end()).result(_CLOSE_SECONDS)
        finally:
            self._thread.close(_CLOSE_SECONDS)
            if self._directory is not None:
                self._directory.cleanup()
                self._directory = None

    async def _end(self) -> None:
        await self._server.close()
        await self._closing.aclose()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run a coroutine in the emulator's loop; `close` cancels it if it still runs."""
        return self._thread.submit(work)

    def send(
        self,
        device_id: str,
        body: bytes,
        *,
        properties: Mapping[str, object] | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        module_id: str | None = None,
        enqueued_at_ms: int | None = None,
    ) -> Position:
        """Send one telemetry event, as a device does. See `Hub.publish`."""
        return self.hub.publish(
            device_id,
            body,
            properties=properties,
            content_type=content_type,
            content_encoding=content_encoding,
            message_id=message_id,
            correlation_id=correlation_id,
            module_id=module_id,
            enqueued_at_ms=enqueued_at_ms,
        )

    def send_many(self, events: Iterable[Event]) -> int:
        """Send many events (device id, body, properties) at a low cost. Returns their number."""
        return self.hub.publish_many(events)

    def append(self, partition: str, message: Message | bytes, enqueued_at_ms: int | None = None) -> Position:
        """Append an event of any shape. See `Hub.append`."""
        return self.hub.append(partition, message, enqueued_at_ms)

    def add_partitions(self, count: int) -> tuple[str, ...]:
        """Add partitions to the running hub. See `Hub.add_partitions`."""
        return self.hub.add_partitions(count)

    def partition_of(self, device_id: str) -> str:
        """Returns the partition that a device's events go to."""
        return self.hub.partition_of(device_id)

    def device_sas(self, device_id: str, seconds: int = TOKEN_SECONDS) -> str:
        """Returns a ready `Authorization` value for the device's HTTPS interface. Raises UnknownDevice."""
        return self.devices.token(device_id, seconds)

    def simulate(self, fleet: Fleet, *, rate: float = 0, events: int = 0) -> None:
        """Let `fleet` send `events` in all (0: no end), `rate` a second (0: as fast as the log takes them).

        Once per emulator. Raises IngestError if called again.
        """

        def publish(event: Telemetry) -> Position:
            return self.hub.publish(
                *event[:2], properties=event.properties, content_type=JSON, content_encoding="utf-8"
            )

        def start() -> None:
            if self._simulation is not None:
                raise IngestError("Devices are simulated already; start another emulator for another fleet.")
            self._simulation = Simulation(fleet, rate, events, publish)
            self._closing.push_async_callback(self._simulation.close)
            self._control.simulation = self._simulation.progress
            self._simulation.start()

        self._thread.call(start)

    def simulation(self) -> Progress:
        """Returns what the simulated devices have sent."""
        return self._thread.call(self._control.simulation)

    def stats(self) -> Stats:
        """Returns the events held, the receivers attached and the deliveries made, at this moment."""
        return self._thread.call(lambda: replace(self._server.stats(), c2d=self.c2d.stats()))

    def wait_for(self, predicate: Callable[[Stats], bool], seconds: float) -> Stats:
        """Wait until `predicate(stats())` holds and return those stats. Raises TimeoutError after `seconds`.

        Evaluated again after each change: events, deliveries, connections, attaches, detaches.
        """
        stats = self._changes.wait_for(lambda: stats if predicate(stats := self.stats()) else None, seconds)
        if stats is None:
            raise TimeoutError(f"After {seconds:g} s the emulator is at {self.stats()}.")
        return stats
