"""The hub's MQTT listener, for devices: telemetry in, commands out."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

from ingest.emulator.c2d.hub import C2dHub
from ingest.emulator.device_registry import Devices
from ingest.emulator.devices.https import Publish
from ingest.emulator.devices.twins import Twins
from ingest.emulator.mqtt.connection import MqttConnection, Session
from ingest.listeners import take_no_more
from ingest.timing import Clock

PORT: Final = 8883
"""The device SDKs have this port built in."""
_TICK_SECONDS = 0.25
_TLS_SECONDS = 10.0
_CLOSE_SECONDS = 2.0


class MqttServer:
    """MQTT 3.1.1 over TLS as IoT Hub speaks it: QoS 0 and 1, one connection per device, persistent sessions.

    Runs in the emulator's loop; a component of the emulator. Lifecycle: `start`, `close`.
    """

    def __init__(
        self,
        devices: Devices,
        publish: Publish,
        commands: C2dHub,
        tls: ssl.SSLContext,
        clock: Clock,
        *,
        port: int = PORT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds since 1970, for tokens; `monotonic` seconds since any moment, for keep-alive."""
        self.devices = devices
        self.publish = publish
        self.commands = commands
        self.clock = clock
        self.monotonic = monotonic
        self._tls = tls
        self._port = port
        self._listener: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._connections: set[MqttConnection] = set()
        self._closed = False
        self._present: dict[str, MqttConnection] = {}
        self._sessions: dict[str, Session] = {}
        self.twins = Twins()
        self._nobody = asyncio.Event()
        self._nobody.set()

    async def start(self, host: str) -> int:
        """Listen and return the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: MqttConnection(self),
            host,
            self._port,
            ssl=self._tls,
            ssl_handshake_timeout=_TLS_SECONDS,
            ssl_shutdown_timeout=_CLOSE_SECONDS,
        )
        self._tick()
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop listening and reset every connection, also those that still come up."""
        self._closed = True
        if self._listener is not None:
            await take_no_more(self._listener.sockets)
            self._listener.close()
        if self._ticker is not None:
            self._ticker.cancel()
        for connection in list(self._connections):
            connection.forget_will()
            connection.abort()
        await asyncio.wait_for(self._nobody.wait(), _CLOSE_SECONDS)

    def connected(self) -> frozenset[str]:
        """Returns the ids of the devices that are connected now. In the loop's thread."""
        return frozenset(self._present)

    def abort(self, device_id: str) -> bool:
        """Reset a device's connection, with no notice; False if it has none. In the loop's thread."""
        connection = self._present.get(device_id)
        if connection is None:
            return False
        connection.abort()
        return True

    def tick(self) -> None:
        """Disconnect clients that were silent for too long. In the loop's thread; a timer runs it too."""
        for connection in list(self._connections):
            connection.tick()

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)
        self.tick()

    # What connections report and ask.

    def joined(self, connection: MqttConnection) -> None:
        self._connections.add(connection)
        self._nobody.clear()
        if self._closed:
            connection.abort()

    def let_in(self, connection: MqttConnection, device_id: str, *, clean: bool) -> tuple[Session, bool]:
        """Returns the device's session, and whether it is an old one. Ends another connection of the device."""
        other = self._present.pop(device_id, None)
        if other is not None:
            other.end("The device has connected a second time.")
        self._present[device_id] = connection
        old = self._sessions.pop(device_id, None)
        session = Session() if clean or old is None else old
        if not clean:
            self._sessions[device_id] = session
        return session, session is old

    def left(self, connection: MqttConnection) -> None:
        """Report that the transport is gone."""
        self._connections.discard(connection)
        device_id = connection.device_id
        if device_id is not None and self._present.get(device_id) is connection:
            del self._present[device_id]
        if not self._connections:
            self._nobody.set()
