"""TLS on a connection, many records a read.

Python's SSLSocket asks the kernel twice for each record, once for its head; a hub that is not busy sends each event in a
record of its own, and at 10,000 events/s that was a third of a partition process's time.
"""

import contextlib
import socket
import ssl
from typing import Any, Final

from ingest.hub.network.sockets import SocketStream
from ingest.timing import Deadline

_FETCH_BYTES: Final = 1 << 16
"""Of records that are taken from the socket at once while hands are shaken; the largest has 16 KiB and some."""
_ROOM_BYTES: Final = 96 << 10
"""One read takes and returns no more."""
_LEAST_SECONDS: Final = 0.01


class Tls:
    """A connection after its handshake: like a socket that blocks at first, then as `TlsStream`."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, host: str, deadline: Deadline) -> None:
        """Shakes hands with `host`. Raises OSError, of which ssl.SSLError is one, or ValueError."""
        self.socket = connected
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                if deadline.expired:
                    raise TimeoutError("timed out") from None
                connected.settimeout(max(_LEAST_SECONDS, deadline.remaining()))
                self._send()
                self._fetch()
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # the alert, which says why
                    self._send()
                raise
            else:
                self._send()
                return

    def settimeout(self, seconds: float | None) -> None:
        self.socket.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self.session.write(left) :]
            self._send()

    def recv(self, most: int) -> bytes:
        """The next bytes, waited for; b"" when the other side has ended. Raises TimeoutError or OSError."""
        while True:
            try:
                return self.session.read(most)
            except ssl.SSLWantReadError:
                self._send()
                self._fetch()
            except ssl.SSLEOFError:
                return b""

    def close(self) -> None:
        self.socket.close()

    def _send(self) -> None:
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())

    def _fetch(self) -> None:
        data = self.socket.recv(_FETCH_BYTES)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()


class TlsStream:
    """Implements `contract.Stream`."""

    def __init__(self, tls: Tls) -> None:
        self._inner = SocketStream(tls.socket)
        self._tls: Any = tls.session
        self._incoming, self._outgoing = tls.incoming, tls.outgoing
        self._pending = tls.session.pending
        self._more = bool(self._incoming.pending or self._pending())
        """Whether more than the beginning of a record is here."""
        self._room = memoryview(bytearray(_ROOM_BYTES))
        """For records, then for what was in them: memory that the caches know costs less."""
        self._late: ssl.SSLError | None = None
        """Came behind bytes that are read first."""
        self._over = False
        """Whether the other side has ended: TLS says so once, and the socket below it perhaps never."""

    @property
    def held(self) -> bool:
        return self._more or self._over or self._late is not None

    def fileno(self) -> int:
        return self._inner.fileno()

    def wait(self, seconds: float) -> bool:
        return self.held or self._inner.wait(seconds)

    def gather(self, seconds: float, least: int) -> None:
        if not self.held:
            self._inner.gather(seconds, least)

    def interrupt_on(self, descriptor: int) -> None:
        self._inner.interrupt_on(descriptor)

    def read(self, most: int) -> bytes | None:
        if self._late is not None:
            raise self._late
        if self._over:
            return b""
        most = min(most, _ROOM_BYTES)
        size = self._decrypt(most) if self._more else 0
        if not (size or self._over):
            fetched = self._inner.read_into(self._room)
            if fetched is None:
                return None
            if fetched:
                self._incoming.write(self._room[:fetched])
            else:
                self._incoming.write_eof()
            size = self._decrypt(most)
        return bytes(self._room[:size]) if size else b"" if self._over else None

    def _decrypt(self, most: int) -> int:
        """Puts into `_room` what is in the records that are here, and returns its size. If it is any, the next read says what
        ends it; else raises ssl.SSLError."""
        read, room = self._tls.read, self._room
        size: int = 0
        try:
            while got := read(most - size, room[size:]):
                size += got
                if size == most:
                    self._more = bool(self._incoming.pending or self._pending())
                    return size
            self._over = True
        except ssl.SSLWantReadError:
            self._more = False
        except ssl.SSLEOFError:  # it went without a good-bye of TLS, as many do
            self._over = True
        except ssl.SSLError as error:
            if not size:
                raise
            self._late = error
        finally:
            self._answer()
        return size

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
            self._answer()

    def close(self) -> None:
        # Our own alert is sent; that of the other side would have to be waited for.
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()
        with contextlib.suppress(OSError, ValueError):
            self._answer()
        self._inner.close()

    def terminate(self) -> None:
        self._inner.terminate()

    def _answer(self) -> None:
        """Sends what TLS has to say, of data or of keys."""
        if self._outgoing.pending:
            self._inner.write(self._outgoing.read())
