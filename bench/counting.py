"""A TCP proxy that counts requests by what they ask for: Kafka's protocol, or HTTP."""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from tests.services.tcp_proxy import End, TcpProxy

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


class CountingProxy(TcpProxy):
    """See `TcpProxy`."""

    def __init__(self, target: str, requests: Callable[[], Requests], *, port: int = 0) -> None:
        """`requests` makes one for each connection."""
        super().__init__(target, port=port)
        self._requests = requests
        self._counts: Counter[str] = Counter()

    def counts(self) -> Counter[str]:
        """Returns how many of each were asked so far."""
        return self._thread.call(lambda: Counter(self._counts))

    def near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
        return _Counted(reader, writer, self._requests(), self._counts)


class _Counted(End):
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Requests, counts: Counter[str]
    ) -> None:
        super().__init__(reader, writer)
        self._requests = requests
        self._counts = counts

    def take(self, data: bytes) -> None:
        self._counts.update(self._requests.take(data))
