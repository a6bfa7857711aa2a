"""A TCP proxy that counts requests by what they ask for: Kafka's protocol, or HTTP."""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from ingest.emulator.loop_thread import LoopThread

END_SECONDS: Final = 10.0
API_NAMES: Final[Mapping[int, str]] = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    15: "DescribeGroups",
    16: "ListGroups",
    18: "ApiVersions",
    22: "InitProducerId",
    71: "GetTelemetrySubscriptions",
}
"""Of Kafka's protocol, those that are met here."""


class Requests(Protocol):
    """What one connection asks for."""

    def take(self, data: bytes) -> Iterator[str]:
        """Yields a name for each request that is complete with `data`, however the bytes are cut."""


class KafkaRequests:
    """`client id: name of the API`."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, data: bytes) -> Iterator[str]:
        held = self._held
        held += data
        while len(held) >= 4:
            (size,) = struct.unpack_from(">i", held)
            if len(held) < 4 + size:
                return
            number, _, _, length = struct.unpack_from(">hhih", held, 4)
            client = held[14 : 14 + max(length, 0)].decode(errors="replace")
            del held[: 4 + size]
            yield f"{client}: {API_NAMES.get(number, f'API {number}')}"


class HttpRequests:
    """The method. Bodies have a Content-Length, as those of Azure's storage clients have."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._body = 0
        """Bytes to come of the last request's body."""

    def take(self, data: bytes) -> Iterator[str]:
        held = self._held
        held += data
        while held:
            skipped = min(self._body, len(held))
            del held[:skipped]
            self._body -= skipped
            head, end, _ = held.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(":") for line in lines[1:])}
            self._body = int(fields.get("content-length", "0"))
            del held[: len(head) + len(end)]
            yield lines[0].partition(" ")[0]


class CountingProxy:
    """A port in front of `target` (`host:port`), at the target's host. Use as a `with` block."""

    def __init__(self, target: str, requests: Callable[[], Requests], *, port: int = 0) -> None:
        """`requests` makes one for each connection. `port` is the one to listen on; 0 for any."""
        host, _, target_port = target.rpartition(":")
        self._target = host, int(target_port)
        self._requests = requests
        self._bound = port
        self._counts: Counter[str] = Counter()
        self._thread = LoopThread("counting proxy")
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        assert self._server is not None, "the proxy is not started"
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def counts(self) -> Counter[str]:
        """Returns how many of each were asked so far."""
        return self._thread.call(lambda: Counter(self._counts))

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._serve, self._target[0], self._bound)
        self._server = self._thread.submit(listening).result(END_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._close)
        self._thread.close(END_SECONDS)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        requests = self._requests()
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(
                _carry(reader, far_writer, lambda data: self._counts.update(requests.take(data))),
                _carry(far_reader, writer, lambda _: None),
            )
        except asyncio.CancelledError:
            pass  # the proxy ends; asyncio's streams would print a task of theirs that was cancelled (Python 3.11)
        finally:
            self._open -= {writer, far_writer}
            for each in (writer, far_writer):
                each.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]) -> None:
    try:
        while data := await reader.read(1 << 16):
            look(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # a reset is an end
    writer.close()
