"""GET by HTTP within a deadline for the whole answer: a socket's own time-out begins again with each byte that comes."""

import http.client
import io
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from ingest.timing import Deadline

_LEAST_SECONDS: Final = 0.001


class Answer(NamedTuple):
    status: int
    body: bytes


def get(url: str, seconds: float, most_bytes: int) -> Answer:
    """Asks an http or https address, redirects included, and reads up to `most_bytes`. Raises OSError, TimeoutError among them,
    http.client.HTTPException or ValueError."""
    with ExitStack() as stack:
        deadline = Deadline(seconds)
        opener = urllib.request.OpenerDirector()
        for handler in (
            # The port is on this machine or nearby: a proxy from the environment does not lead there.
            urllib.request.ProxyHandler({}),
            _Http(deadline, stack),
            _Https(deadline, stack),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        try:
            answer = opener.open(url, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(most_bytes))
        return Answer(answer.status, answer.read(most_bytes))


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline, stack: ExitStack) -> None:
        super().__init__()
        self._bounds = deadline, stack

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_made(http.client.HTTPConnection, *self._bounds), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline, stack: ExitStack) -> None:
        super().__init__()
        self._bounds = deadline, stack

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        made = _made(http.client.HTTPSConnection, *self._bounds)
        return self.do_open(made, req, context=ssl.create_default_context())


def _made(kind: type[http.client.HTTPConnection], deadline: Deadline, stack: ExitStack) -> Any:
    """Returns what makes a connection as `kind` does. Its answers are closed with `stack`."""

    def response(sock: socket.socket, *more: Any, **others: Any) -> http.client.HTTPResponse:
        found = http.client.HTTPResponse(sock, *more, **others)
        found.fp = io.BufferedReader(_Timed(sock, found.fp, deadline))
        stack.callback(found.close)
        return found

    def connection(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
        made: Any = kind(*arguments, **options)
        made.response_class = response
        return made  # type: ignore[no-any-return]

    return connection


class _Timed(io.RawIOBase):
    """What comes by a socket until the deadline."""

    def __init__(self, sock: socket.socket, inner: Any, deadline: Deadline) -> None:
        self._socket = sock
        self._inner = inner
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._deadline.expired:
            raise TimeoutError("timed out")
        self._socket.settimeout(max(_LEAST_SECONDS, self._deadline.remaining()))
        return int(self._inner.readinto1(buffer))

    def close(self) -> None:
        self._inner.close()
        super().close()
