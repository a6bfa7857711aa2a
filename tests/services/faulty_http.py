"""A loopback HTTP proxy that forwards to one server, or misbehaves on request: outages of the blob store for tests."""

import http.client
import threading
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.services.http_server import Handler, HttpServer
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
        self._server.start()

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
        if self._server is not None:
            self._server.stop()
            self._server = None


class _Server(HttpServer):
    def __init__(self, proxy: FaultyProxy, port: int) -> None:
        self.proxy = proxy
        super().__init__(_Handler, port=port)


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def serve(self) -> None:
        body = self.body()
        fault = self.server.proxy.meet(self.command)
        if fault is None:
            self._forward(body)
        elif fault.status is None:
            self.close_connection = True
        else:
            error = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>On request.</Message></Error>"
            headers = [("Content-Type", "application/xml"), ("x-ms-error-code", fault.code)]
            self._answer(fault.status, headers, error.encode())

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
