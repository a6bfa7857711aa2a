"""One HTTP/1.1 request and the head of its answer, on a socket that carries something else afterwards.

`h11` says what is HTTP, and bounds it; nothing behind the head is taken for HTTP.
"""

from dataclasses import dataclass
from typing import Protocol

import h11

from ingest.timing import Deadline

_READ_BYTES = 4096
_MOST_HEAD_BYTES = 16 * 1024


class Talking(Protocol):
    """What is used of a socket, or of TLS on one."""

    def settimeout(self, seconds: float | None, /) -> None: ...

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, most: int, /) -> bytes: ...


class NoHttp(Exception):
    """The answer is not HTTP, or no end of its head is in sight. `str()` says what it is instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    rest: bytes
    """What it sent behind the head."""

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        wanted = name.lower().encode("ascii")
        return [value.decode("latin-1") for found, value in self.headers if found == wanted]

    @property
    def status_line(self) -> str:
        return f"{self.status} {self.reason}".strip()


def ask(connected: Talking, method: str, target: str, headers: list[tuple[str, str]], deadline: Deadline) -> Answer:
    """Sends a request without a body and reads the head of the answer.

    Raises NoHttp, TimeoutError when the whole head is not there before the deadline, ConnectionResetError when the other
    side hangs up instead, OSError.
    """
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
    request = client.send(h11.Request(method=method, target=target, headers=headers))
    connected.settimeout(_left(deadline))
    connected.sendall((request or b"") + (client.send(h11.EndOfMessage()) or b""))
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError as error:
            raise NoHttp(str(error)) from None
        if isinstance(event, h11.Response) or (isinstance(event, h11.InformationalResponse) and _switches(event)):
            rest = bytes(client.trailing_data[0])
            return Answer(event.status_code, event.reason.decode("latin-1"), list(event.headers), rest)
        if event is h11.NEED_DATA:
            connected.settimeout(_left(deadline))
            data = connected.recv(_READ_BYTES)
            if not data:
                raise ConnectionResetError("it hung up instead of an answer")
            client.receive_data(data)


def _switches(event: h11.InformationalResponse) -> bool:
    return event.status_code == 101


def _left(deadline: Deadline) -> float:
    if deadline.expired:
        raise TimeoutError("no answer in time")
    return max(0.001, deadline.remaining())
