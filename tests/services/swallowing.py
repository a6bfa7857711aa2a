"""A TCP proxy that can swallow what passes, as a network does whose state tables were lost: no reset, no end."""

import asyncio
from types import TracebackType
from typing import Self

from ingest.emulator.loop_thread import LoopThread

END_SECONDS = 10.0


class SwallowingProxy:
    """A port of 127.0.0.1 in front of `target` (`host:port`). Use as a `with` block; the target may be away."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._thread = LoopThread("swallowing proxy")
        self._server: asyncio.Server | None = None
        self._open: set[_End] = set()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        assert self._server is not None, "the proxy is not started"
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def swallow(self) -> int:
        """From now on nothing passes on the connections of this moment, ends included; new ones pass.

        Returns their number.
        """
        return self._thread.call(self._swallow)

    def _swallow(self) -> int:
        ends = [end for end in self._open if not end.swallows]
        for end in ends:
            end.swallows = True
        return len(ends) // 2

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
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        near, far = _End(reader, writer), _End(far_reader, far_writer)
        self._open |= {near, far}
        try:
            await asyncio.gather(near.carry(far), far.carry(near))
        finally:
            self._open -= {near, far}
            for end in (near, far):
                end.writer.transport.abort()


class _End:
    """One of the two sockets of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.swallows = False

    async def carry(self, other: "_End") -> None:
        """Passes on what is read here until its end, which is passed on as well unless it is swallowed."""
        try:
            while data := await self.reader.read(1 << 16):
                if not self.swallows:
                    other.writer.write(data)
                    await other.writer.drain()
        except OSError:
            pass  # a reset is an end
        if not self.swallows:
            other.writer.close()
