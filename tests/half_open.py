"""A way to a server on which connections can go dead: all that comes in either direction is swallowed, and no end reset."""

import asyncio
from types import TracebackType
from typing import Self

from ingest.emulator.loop_thread import LoopThread

END_SECONDS = 10.0


class HalfOpenWay:
    """A port of its own at the host of a server. Start and end by `with`."""

    def __init__(self, host: str, port: int, *, bound: int = 0) -> None:
        """`port` is the server's, `bound` the one to listen on; 0 for any."""
        self.target = (host, port)
        self.port = bound
        self.connections = 0
        """Ever accepted."""
        self._new_are_dead = False
        self._live: list[_End] = []
        self._thread = LoopThread("half-open way")
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._thread.submit(self._listen()).result(END_SECONDS)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._end)
        self._thread.close(END_SECONDS)

    def swallow(self, *, new: bool = False) -> int:
        """From now on the connections that there are carry nothing, and with `new` those that come neither, until `heal`.
        Returns how many there are."""

        def swallow() -> int:
            self._new_are_dead = new
            live = [end for end in self._live if not end.dead]
            for end in live:
                end.dead = True
            return len(live) // 2

        return int(self._thread.call(swallow))

    def heal(self) -> None:
        """New connections carry again; those that are dead stay so."""

        def heal() -> None:
            self._new_are_dead = False

        self._thread.call(heal)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._accept, self.target[0], self.port)

    def _accept(self) -> "_End":
        self.connections += 1
        return _End(self)

    def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for end in self._live:
            if end.transport is not None:
                end.transport.abort()


class _End(asyncio.Protocol):
    """One end of a connection through the way."""

    def __init__(self, way: HalfOpenWay, other: "_End | None" = None) -> None:
        self.dead = way._new_are_dead
        self.transport: asyncio.Transport | None = None
        self._way = way
        self._other = other
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[object] | None = None
        way._live.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.writelines(self._early)
        self._early.clear()
        if self._other is None:
            other = self._other = _End(self._way, self)
            if not self.dead:
                loop = asyncio.get_running_loop()
                self._connecting = asyncio.create_task(loop.create_connection(lambda: other, *self._way.target))

    def data_received(self, data: bytes) -> None:
        if not self.dead and self._other is not None:
            self._other.write(data)

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        else:
            self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._way._live.remove(self)
        # Of a dead connection neither end learns that the other has gone.
        if not self.dead and self._other is not None and self._other.transport is not None:
            self._other.transport.close()
