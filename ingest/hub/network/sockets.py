"""A TCP connection, with or without TLS, as a stream."""

import contextlib
import select
import socket
import ssl

from ingest.hub.network.contract import WRITE_SECONDS
from ingest.timing import Deadline

_WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


class SocketStream:
    """Implements `contract.Stream` on a socket that is connected, and owns it."""

    def __init__(self, connected: socket.socket) -> None:
        """`connected`: after its handshake, where it is one of TLS."""
        connected.setblocking(False)
        self._socket = connected
        self._pending = connected.pending if isinstance(connected, ssl.SSLSocket) else None
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connected, select.POLLIN)
        self._writable.register(connected, select.POLLOUT)
        self._recv = connected.recv
        self._over = False
        """Whether the other side has ended: TLS says so once, and the socket below it perhaps never."""

    @property
    def held(self) -> bool:
        try:
            return self._over or bool(self._pending is not None and self._pending())
        except ValueError:  # the TLS session is over: `read` says how
            return True

    def fileno(self) -> int:
        return self._socket.fileno()

    def wait(self, seconds: float) -> bool:
        if self.held:
            return True
        # What the kernel rounds down must not end before its time.
        return bool(self._readable.poll(seconds * 1000 + (0.999 if seconds else 0)))

    def read(self, most: int) -> bytes | None:
        try:
            data = self._recv(most)
            self._over = not data
            return data
        except _WANTS:
            return None
        except ValueError as error:  # what Python's ssl says of a socket whose TLS is over
            raise ConnectionResetError("the connection was closed") from error

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        deadline = Deadline(WRITE_SECONDS)
        while left:
            try:
                sent = self._socket.send(left)
            except _WANTS as wants:
                waits_for = self._readable if isinstance(wants, ssl.SSLWantReadError) else self._writable
                if deadline.expired or not waits_for.poll(max(1.0, deadline.remaining() * 1000)):
                    raise TimeoutError(f"the other side takes nothing for {WRITE_SECONDS:g} s") from None
                continue
            except ValueError as error:
                raise ConnectionResetError("the connection was closed") from error
            left = left[sent:]
            deadline = Deadline(WRITE_SECONDS)

    def close(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            # Its own alert is sent; that of the other side would have to be waited for.
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()
        self.terminate()
        self._socket.close()

    def terminate(self) -> None:
        with contextlib.suppress(OSError):
            # Not SSLSocket's own, which takes the TLS session away from a thread that is reading.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
