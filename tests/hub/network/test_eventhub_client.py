"""A stream in the clothes of a socket: what azure-eventhub's client sees of time-outs and of the end."""

from collections import deque
from typing import Any

import pytest

from ingest.hub.network.eventhub_client import ANSWER_SECONDS, StreamSocket, _Transport


class Scripted:
    """A stream that reads what it is told to; `done` is what was asked of it."""

    held = False

    def __init__(self, *reads: bytes | None) -> None:
        self.done: list[Any] = []
        self._reads = deque(reads)

    def fileno(self) -> int:
        return 7

    def wait(self, seconds: float) -> bool:
        self.done.append(seconds)
        return bool(self._reads)

    def gather(self, seconds: float, least: int) -> None: ...

    def interrupt_on(self, descriptor: int) -> None: ...

    def read(self, most: int) -> bytes | None:
        return self._reads.popleft() if self._reads else None

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")

    def terminate(self) -> None:
        self.done.append("terminate")


def test_a_read_waits_its_time_out_and_then_pauses() -> None:
    stream = Scripted(None, b"abc")
    socket = StreamSocket(stream, clock=lambda: 0.0)
    socket.settimeout(0.2)
    buffer = bytearray(8)
    assert socket.recv_into(memoryview(buffer)) == 3
    assert buffer[:3] == b"abc"
    with pytest.raises(TimeoutError):
        socket.recv(8)
    assert stream.done == [0.2, 0.2]


def test_a_read_that_would_block_for_ever_is_an_end() -> None:
    stream = Scripted()
    socket = StreamSocket(stream, clock=lambda: 0.0)
    socket.settimeout(None)
    with pytest.raises(ConnectionAbortedError, match="no answer within 10 s"):
        socket.recv(8)
    assert stream.done == [ANSWER_SECONDS]


def test_pings_without_end_do_not_prolong_a_read() -> None:
    passed = iter(range(200))
    stream = Scripted(*[None] * 50)
    socket = StreamSocket(stream, clock=lambda: float(next(passed)))
    socket.settimeout(20.0)
    with pytest.raises(TimeoutError):
        socket.recv(8)
    assert len(stream.done) < 20


def test_the_client_says_good_bye_before_it_cuts_the_connection() -> None:
    """Else the hub's proxy or its WebSocket would see a connection that breaks."""
    stream = Scripted()
    transport: Any = _Transport(lambda: stream, "hub", None, 0.2)
    transport.connect()
    transport.close()
    transport.close()
    assert stream.done[:2] == ["close", "terminate"]
    assert transport.sock is None
