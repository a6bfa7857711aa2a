"""A Kafka some milliseconds away: all that goes to it and comes from it passes a wire of that length."""

import asyncio
from types import TracebackType
from typing import Self

from ingest.emulator.amqp.delay_line import DelayLine
from ingest.emulator.loop_thread import LoopThread
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort

END_SECONDS = 10.0


class FarKafka:
    """One broker that tells clients the wire's address. Start and end by `with`."""

    def __init__(self) -> None:
        self.round_trip_seconds = 0.0
        """May be changed at any time; counts for what is sent from then on."""
        self._port = ReservedPort()
        self.bootstrap = self._port.address
        self._cluster = KafkaCluster(settings={"advertised.listeners": f"PLAINTEXT://{self.bootstrap}"})
        self._thread = LoopThread("far Kafka")
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._thread.submit(self._listen()).result(END_SECONDS)
        try:
            self._cluster.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.terminate()
        self._cluster.join()
        if self._server is not None:
            self._thread.call(self._server.close)
        self._thread.close(END_SECONDS)
        self._port.close()

    async def _listen(self) -> asyncio.Server:
        host, _, port = self.bootstrap.rpartition(":")
        return await asyncio.get_running_loop().create_server(lambda: _Wire(self), host, int(port))

    async def connect(self, end: "_Wire") -> None:
        host, _, port = self._cluster.bootstrap.rpartition(":")
        try:
            await asyncio.get_running_loop().create_connection(lambda: end, host, int(port))
        except OSError:
            end.connection_lost(None)  # Kafka is not up yet, or no longer: the client tries again


class _Wire(asyncio.Protocol):
    """One end of a connection. Holds what is under way: no more than its sender has unanswered."""

    def __init__(self, far: FarKafka, other: "_Wire | None" = None) -> None:
        self._far = far
        self._other = other
        self._line = DelayLine(asyncio.get_running_loop())
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.writelines(self._early)
        self._early.clear()
        if self._other is None:
            self._other = _Wire(self._far, self)
            self._connecting = asyncio.create_task(self._far.connect(self._other))

    def data_received(self, data: bytes) -> None:
        assert self._other is not None
        other = self._other
        self._line.push(self._far.round_trip_seconds / 2, len(data), lambda: other.write(data))

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.close()
