"""The HTTP server of the tests, for answers that no real server can be made to give."""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

NO_HEADERS: Final[Mapping[str, str]] = {}


class Handler(BaseHTTPRequestHandler):
    """Has `serve` called for each request, whose method is `command`. Logs nothing: standard error belongs to the test."""

    def serve(self) -> None:
        raise NotImplementedError

    def _serve(self) -> None:
        self.serve()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - as http.server looks them up

    def body(self) -> bytes:
        """Reads the body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Answers whole, with the body's length."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as http.server calls it
        pass


class HttpServer(ThreadingHTTPServer):
    """On 127.0.0.1, a thread for each connection. It listens once it is made, serves once it is started, and its end cuts every
    connection and waits for every thread."""

    daemon_threads = False

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), handler)
        if tls is not None:
            # The handshake is the connection's: a client that does not speak TLS holds up no other.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="tests-http")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        with self._lock:
            for connection in self._open:
                # Of the socket itself, not of TLS, which a thread may be reading. An error: cut by the client.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, client = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, client

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that hang up or speak another language, and of our own cuts."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
