"""A TCP proxy: a port in front of a server, whose subclass looks at what passes, or stops it."""

import asyncio
from types import TracebackType
from typing import Self

from ingest.emulator.loop_thread import LoopThread

END_SECONDS = 10.0


class End:
    """One of the two sockets of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.swallows = False
        """Whether what is read here goes nowhere, ends included."""

    def take(self, data: bytes) -> None:
        """Looks at what is read here."""

    async def carry(self, other: "End") -> None:
        """Passes on what is read here until its end, which is passed on as well."""
        try:
            while data := await self.reader.read(1 << 16):
                self.take(data)
                if not self.swallows:
                    other.writer.write(data)
                    await other.writer.drain()
        except OSError:
            pass  # a reset is an end
        if not self.swallows:
            other.writer.close()


class TcpProxy:
    """A port in front of `target` (`host:port`), at the target's host. Use as a `with` block; the target may be away."""

    def __init__(self, target: str, *, port: int = 0) -> None:
        """`port` is the one to listen on; 0 for any."""
        host, _, target_port = target.rpartition(":")
        self._target = host, int(target_port)
        self._bound = port
        self._thread = LoopThread(type(self).__name__)
        self._server: asyncio.Server | None = None
        self._open: set[End] = set()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        assert self._server is not None, "the proxy is not started"
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
        """Returns the client's end of a new connection."""
        return End(reader, writer)

    def far(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
        """Returns the target's."""
        return End(reader, writer)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._thread.submit(self._listen()).result(END_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._close)
        self._thread.close(END_SECONDS)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for end in self._open:
            end.writer.transport.abort()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self._target[0], self._bound)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        near, far = self.near(reader, writer), self.far(far_reader, far_writer)
        self._open |= {near, far}
        try:
            await asyncio.gather(near.carry(far), far.carry(near))
        except asyncio.CancelledError:
            pass  # the proxy ends; asyncio's streams would print a task of theirs that was cancelled (Python 3.11)
        finally:
            self._open -= {near, far}
            for end in (near, far):
                end.writer.transport.abort()
