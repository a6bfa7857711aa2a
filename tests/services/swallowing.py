"""A TCP proxy that can swallow what passes, as a network does whose state tables were lost: no reset, no end."""

import asyncio
from types import TracebackType
from typing import Self

from ingest.emulator.loop_thread import LoopThread

END_SECONDS = 10.0


class SwallowingProxy:
    """A port in front of `target` (`host:port`), at the target's host. Use as a `with` block; the target may be away."""

    def __init__(self, target: str, *, port: int = 0) -> None:
        """`port` is the one to listen on; 0 for any."""
        host, _, target_port = target.rpartition(":")
        self._target = host, int(target_port)
        self._bound = port
        self._thread = LoopThread("swallowing proxy")
        self._server: asyncio.Server | None = None
        self._open: set[_End] = set()
        self._new_are_dead = False

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        assert self._server is not None, "the proxy is not started"
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def carrying(self) -> int:
        """Connections on which what is sent arrives."""
        return self._thread.call(lambda: sum(not end.swallows for end in self._open) // 2)

    def swallow(self, *, new: bool = False) -> int:
        """From now on nothing passes on the connections of this moment, ends included. Those that come later pass, or with
        `new` not before `heal`: they are taken and lead nowhere.

        Returns how many of this moment had passed until now.
        """
        return self._thread.call(lambda: self._swallow(new))

    def heal(self) -> None:
        """New connections pass again; those that are swallowed stay so."""
        self._thread.call(self._heal)

    def _heal(self) -> None:
        self._new_are_dead = False

    def _swallow(self, new: bool) -> int:
        self._new_are_dead = new
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
        return await asyncio.start_server(self._serve, self._target[0], self._bound)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        near, far = _End(reader, writer), _End(far_reader, far_writer)
        near.swallows = far.swallows = self._new_are_dead
        self._open |= {near, far}
        try:
            await asyncio.gather(near.carry(far), far.carry(near))
        except asyncio.CancelledError:
            pass  # the proxy ends; asyncio's streams would print a task of theirs that was cancelled (Python 3.11)
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
