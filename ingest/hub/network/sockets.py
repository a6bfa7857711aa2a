"""A TCP connection as a stream."""

import contextlib
import select
import socket

from ingest.hub.network.contract import WRITE_SECONDS
from ingest.timing import Deadline

_LATER = (BlockingIOError, InterruptedError)


class SocketStream:
    """Implements `contract.Stream` on a socket that is connected, and owns it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._number = connected.fileno()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connected, select.POLLIN)
        self._writable.register(connected, select.POLLOUT)
        self._recv, self._recv_into = connected.recv, connected.recv_into
        self._least = 1
        """`poll` tells of nothing less but of the end (SO_RCVLOWAT in socket(7)); bytes."""
        self._over = False
        """Whether the other side has ended."""

    @property
    def held(self) -> bool:
        return self._over

    def fileno(self) -> int:
        return self._socket.fileno()

    def wait(self, seconds: float) -> bool:
        if self._over:
            return True
        self._tell_from(1)
        # What the kernel rounds down must not end before its time.
        ready = self._readable.poll(seconds * 1000 + (0.999 if seconds else 0))
        return bool(ready) and (self._number == ready[0][0] or len(ready) > 1)

    def gather(self, seconds: float, least: int) -> None:
        if not self._over:
            self._tell_from(least)
            self._readable.poll(seconds * 1000)

    def _tell_from(self, least: int) -> None:
        if self._least != least:
            with contextlib.suppress(OSError):  # it has been cut
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._least = least

    def interrupt_on(self, descriptor: int) -> None:
        self._readable.register(descriptor, select.POLLIN)

    def read(self, most: int) -> bytes | None:
        try:
            data = self._recv(most)
        except _LATER:
            return None
        self._over = not data
        return data

    def read_into(self, room: memoryview) -> int | None:
        """As `read`, but returns how many bytes are in `room` now."""
        try:
            size = self._recv_into(room)
        except _LATER:
            return None
        self._over = not size
        return size

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        deadline = Deadline(WRITE_SECONDS)
        while left:
            try:
                sent = self._socket.send(left)
            except _LATER:
                if deadline.expired or not self._writable.poll(max(1.0, deadline.remaining() * 1000)):
                    raise TimeoutError(f"the other side takes nothing for {WRITE_SECONDS:g} s") from None
                continue
            left = left[sent:]
            deadline = Deadline(WRITE_SECONDS)

    def close(self) -> None:
        self.terminate()
        self._socket.close()

    def terminate(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
