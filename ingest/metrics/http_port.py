"""One HTTP/1.1 listener for GET, safe for any client: one thread, and bounded connections, sizes and times.

Half requests, clients that never read and thousands of connections cost a bounded number of descriptors and a bounded
amount of memory, and never keep out clients that send and read in time.
"""

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

import h11

from ingest.listeners import take_no_more


class Asked(NamedTuple):
    """What a GET or HEAD asks for."""

    path: str
    """Without the query."""
    host: str | None = None
    """The header Host, as sent; only HTTP/1.0 may come without."""
    if_none_match: str | None = None


class Reply(NamedTuple):
    status: int
    kind: str
    """Content type."""
    body: bytes
    """Empty with status 304."""
    headers: tuple[tuple[str, str], ...] = ()
    """Besides Content-Type and Content-Length."""


Answer = Callable[[Asked], Reply]
PLAIN = "text/plain; charset=utf-8"

BACKLOG = 64
"""Connections that the kernel completes before the loop accepts them, all at once."""
MOST_CONNECTIONS = 256
"""For one more, the port closes the one that has waited longest for its client, through some rounds of accepting."""
REQUEST_SECONDS = 5.0
"""Time for a client to send a whole request, and to read a whole answer."""
IDLE_SECONDS = 120.0
"""Time between two requests of a connection: longer than the usual scrape interval."""
LARGEST_REQUEST = 8192
"""Bytes of request line and headers."""
CLOSE_SECONDS = 5.0
NOT_MODIFIED = 304
RESET = struct.pack("ii", 1, 0)
"""struct linger: close drops unsent data."""

logger = logging.getLogger(__name__)


class HttpPort:
    """`start, close`. The port's own thread calls `answer`, one call at a time, and `tick` every `tick_seconds`."""

    def __init__(
        self,
        answer: Answer,
        *,
        host: str,
        port: int,
        most_connections: int = MOST_CONNECTIONS,
        request_seconds: float = REQUEST_SECONDS,
        tick: Callable[[], object] = lambda: None,
        tick_seconds: float = 60.0,
    ) -> None:
        self.answer = answer
        self._tick = tick
        self._tick_seconds = tick_seconds
        self.request_seconds = request_seconds
        self._address = (host, port)
        self._most = most_connections
        self._open: dict[_Connection, None] = {}
        """In the order of their opening, or of their clients' last whole request."""
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; before `start`, the requested port."""
        return int(self._listener.getsockname()[1]) if self._listener is not None else self._address[1]

    def start(self) -> None:
        """Listens and serves. Raises OSError if the address is taken or not ours."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._loop = asyncio.new_event_loop()
        # Here, not in the thread: `close` may come before that has begun to run.
        listening = self._loop.create_server(lambda: _Connection(self), sock=self._listener, backlog=BACKLOG)
        server = self._loop.run_until_complete(listening)
        self._thread = threading.Thread(target=self._run, args=(self._loop, server), name="http-port", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening, drops all connections and ends the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_SECONDS)
            self._loop = self._thread = self._listener = None

    def _run(self, loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
        self._beat(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(take_no_more(server.sockets))
            server.close()
            for connection in list(self._open):
                connection.abort()
            loop.run_until_complete(asyncio.sleep(0))  # each transport closes its socket in a separate callback
            loop.close()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(self._tick_seconds, self._beat, loop)
        try:
            self._tick()
        except Exception:  # the port answers all the same
            logger.exception("The port for metrics could not take a sample.")

    def opened(self, connection: "_Connection") -> None:
        if len(self._open) >= self._most:
            oldest = next(iter(self._open))
            oldest.abort()
            self.closed(oldest)
        self._open[connection] = None

    def heard(self, connection: "_Connection") -> None:
        """After a whole request: of all waiting connections it is now the last to be closed for another."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def closed(self, connection: "_Connection") -> None:
        self._open.pop(connection, None)


class _Connection(asyncio.Protocol):
    """One client. At most one answer waits for it to read; its next request is read only after that."""

    def __init__(self, port: HttpPort) -> None:
        self._port = port
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_REQUEST)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._full = False
        self._asked: h11.Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(0)
        self._port.opened(self)
        self._within(self._port.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._port.closed(self)

    def abort(self) -> None:
        if self._transport is not None:
            # A reset: otherwise the kernel would keep what the client does not read.
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is h11.IDLE and self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
            self._within(self._port.request_seconds)
        self._http.receive_data(data)
        self._go_on()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._go_on()

    def pause_writing(self) -> None:
        self._full = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._within(self._port.request_seconds)

    def resume_writing(self) -> None:
        self._full = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._within(IDLE_SECONDS)
            self._go_on()

    def _within(self, seconds: float) -> None:
        """Gives the client this much time for its next step."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _go_on(self) -> None:
        try:
            while not self._full and self._transport is not None and not self._transport.is_closing():
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._asked = event
                elif isinstance(event, h11.EndOfMessage) and self._asked is not None:
                    self._serve(self._asked)
                elif event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    self._transport.close()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, b"this is no HTTP request\n")
        except Exception:
            logger.exception("A request to the port for metrics could not be answered.")
            self.abort()

    def _serve(self, request: h11.Request) -> None:
        self._port.heard(self)
        if request.method not in (b"GET", b"HEAD"):
            self._refuse(405, b"only GET is served here\n", ("Allow", "GET, HEAD"))
            return
        headers = dict(request.headers)
        host, if_none_match = (headers.get(name) for name in (b"host", b"if-none-match"))
        self._respond(
            self._port.answer(
                Asked(
                    request.target.decode("ascii", "replace").partition("?")[0],
                    None if host is None else host.decode("latin-1"),
                    None if if_none_match is None else if_none_match.decode("latin-1"),
                )
            )
        )
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            if not self._full:
                self._within(IDLE_SECONDS)
        elif self._transport is not None:
            self._transport.close()

    def _refuse(self, status: int, words: bytes, *headers: tuple[str, str]) -> None:
        """Answers, and ends the connection."""
        self._respond(Reply(status, PLAIN, words, (*headers, ("Connection", "close"))))
        if self._transport is not None:
            self._transport.close()

    def _respond(self, reply: Reply) -> None:
        if self._transport is None or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()
            return
        headers = [("Content-Type", reply.kind), ("Content-Length", str(len(reply.body))), *reply.headers]
        if reply.status == NOT_MODIFIED:
            headers = [*reply.headers]  # a length would be that of the answer that is not sent
        sent = self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        if self._asked is None or self._asked.method != b"HEAD":
            sent += self._http.send(h11.Data(data=reply.body)) or b""
        self._transport.write(sent + (self._http.send(h11.EndOfMessage()) or b""))
