"""A loopback HTTP proxy that forwards to one server, or misbehaves on request: outages of the blob store for tests."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Collection
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.services.ports import ReservedPort

_UPSTREAM_SECONDS = 10
_NOT_FORWARDED = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})
ALL = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"})


@dataclass(frozen=True)
class _Fault:
    """What befalls requests with one of `methods`: this status, or no answer at all if it is None."""

    status: int | None
    code: str
    methods: Collection[str]


class FaultyProxy:
    """Forwards to `upstream` (`host:port`) until told otherwise. Thread-safe; one fault at a time."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self._port = ReservedPort()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._fault: _Fault | None = None
        self._refused = 0

    @property
    def address(self) -> str:
        """`host:port` for clients; stays the same for ever."""
        return self._port.address

    @property
    def refused(self) -> int:
        """Requests that met a fault so far."""
        return self._refused

    def start(self) -> None:
        self._server = _Server(self, self._port.number)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faulty-http")
        self._thread.start()

    def fail(self, status: int, code: str = "InternalError", methods: Collection[str] = ALL) -> None:
        """Answer `status` with the storage error `code` to the given methods, without asking upstream."""
        self._set(_Fault(status, code, methods))

    def hang(self, methods: Collection[str] = ALL) -> None:
        """Accept requests and never answer; they end, without an answer, at the next change."""
        self._set(_Fault(None, "", methods))

    def refuse(self) -> None:
        """Cut all connections and refuse new ones."""
        # Nothing slips through while the connections are being cut.
        self._set(_Fault(503, "ServerBusy", ALL))
        self._stop()
        self._set(None)

    def heal(self) -> None:
        """Forward again."""
        self._set(None)
        if self._server is None:
            self.start()

    def wait_refused(self, count: int, seconds: float) -> bool:
        """Wait until `count` requests have met a fault in all; False when `seconds` pass first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._refused >= count, seconds)

    def close(self) -> None:
        """Cut all connections and stop. Final."""
        self.refuse()
        self._port.close()

    def meet(self, method: str) -> _Fault | None:
        """The fault that a request meets, if any; a hanging one is held here until the fault changes."""
        with self._changed:
            fault = self._fault
            if fault is None or method not in fault.methods:
                return None
            self._refused += 1
            self._changed.notify_all()
            if fault.status is None:
                self._changed.wait_for(lambda: self._fault is not fault)
            return fault

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _set(self, fault: _Fault | None) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def _stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join(2 * _UPSTREAM_SECONDS)
            self._server = None


class _Server(ThreadingHTTPServer):
    """One thread per connection; `stop` cuts every connection and waits for its thread."""

    daemon_threads = False

    def __init__(self, proxy: FaultyProxy, port: int) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def stop(self) -> None:
        self.shutdown()
        with self._lock:
            for connection in self._open:
                # Already cut by the client.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, client = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, client

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        # Clients that give up on a hanging request, and our own cuts.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.proxy.meet(self.command)
        if fault is None:
            self._forward(body)
        elif fault.status is None:
            self.close_connection = True
        else:
            error = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>On request.</Message></Error>"
            headers = [("Content-Type", "application/xml"), ("x-ms-error-code", fault.code)]
            self._answer(fault.status, headers, error.encode())

    # http.server looks these up by name.
    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = serve  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing: standard error belongs to the test."""

    def _forward(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=_UPSTREAM_SECONDS)
        try:
            # The client's own Host and Accept-Encoding go along.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _NOT_FORWARDED:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED]
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, headers, content, length)
        except (OSError, http.client.HTTPException):
            self._answer(502, [], b"")
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        """`length` stands in for the content of a HEAD request's answer, in bytes."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
