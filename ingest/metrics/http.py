"""The supervisor's HTTP port: the status page, /status.json, /metrics, /healthz and /readyz."""

import errno
import os
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from ingest import scarcity
from ingest.address import before_port
from ingest.errors import ConfigError, Problem, Unreachable
from ingest.metrics.hosts import is_loopback, is_own_name
from ingest.metrics.http_port import NOT_MODIFIED, PLAIN, Asked, HttpPort, Reply
from ingest.metrics.registry import Registry
from ingest.metrics.status import html
from ingest.metrics.status.document import About
from ingest.metrics.status.history import SAMPLE_SECONDS
from ingest.metrics.status.recorder import Recorder
from ingest.printable import printable
from ingest.recent_warnings import RECENT

_SAFE: Final = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"))
_FOREIGN: Final = (
    b"this port is for this machine alone, and the request is for another name: ask for 127.0.0.1 or localhost, write the name "
    b"that a reverse proxy passes on into metrics.allowed_hosts, or set metrics.host\n"
)


class Exposition:
    """Serves one registry, two health checks and the status over HTTP, on its own thread.

    Each request of a health check calls `healthy` and `unready`: whether the supervisor's loop is alive, and the reasons
    why the service is not ready (empty if it is). `note` is one more line of /readyz, and does not make the service
    unready. `about` tells the status page what metrics do not. `allowed`: names that a loopback address answers to besides its
    own.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        healthy: Callable[[], bool],
        unready: Callable[[], list[str]],
        note: Callable[[], str | None] = lambda: None,
        about: Callable[[], About] = About,
        allowed: Callable[[], Sequence[str]] = tuple,
        host: str,
        port: int,
    ) -> None:
        collectors = CollectorRegistry()
        collectors.register(registry)
        self._collectors = collectors
        self._healthy = healthy
        self._unready = unready
        self._note = note
        self._allowed = allowed
        self._address = (host, port)
        self._loopback = is_loopback(host)
        self._recorder = Recorder(
            registry, about=about, healthy=healthy, unready=unready, note=note, warned=RECENT.last
        )
        self._port = HttpPort(self.reply, host=host, port=port, tick=self._recorder.sample, tick_seconds=SAMPLE_SECONDS)

    @property
    def port(self) -> int:
        """The port in use; before `start`, the requested port."""
        return self._port.port

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        return f"http://{before_port(self._address[0])}:{self.port}"

    def start(self) -> None:
        """Binds and serves. Raises ConfigError if the address is taken or not ours, Unreachable if the machine has no
        room for it now."""
        host, port = self._address
        try:
            self._port.start()
        except (OSError, RuntimeError) as error:
            lacking = scarcity.words(error)
            if lacking is not None:
                raise Unreachable(f"metrics cannot be served on {host}:{port}: {lacking}") from None
            if isinstance(error, RuntimeError):
                raise
            raise ConfigError([_unusable(host, port, error)]) from None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Returns (status, content type, body) for a path."""
        return self.reply(Asked(path))[:3]

    def reply(self, asked: Asked) -> Reply:
        """Returns what the port answers. On a loopback address, it refuses names of others: a web page elsewhere can
        make its own name stand for 127.0.0.1 (DNS rebinding), and would read what is here."""
        if self._loopback and asked.host is not None and not is_own_name(asked.host, self._allowed()):
            return Reply(403, PLAIN, _FOREIGN, _SAFE)
        match asked.path:
            case "/":
                made = html.page()
                headers = (
                    *_SAFE,
                    ("Content-Security-Policy", made.policy),
                    ("X-Frame-Options", "DENY"),
                    ("Referrer-Policy", "no-referrer"),
                    ("Cache-Control", "no-cache"),
                )
                return Reply(200, "text/html; charset=utf-8", made.body, headers)
            case "/status.json":
                return self._status(asked.if_none_match)
            case "/metrics":
                return Reply(200, CONTENT_TYPE_LATEST, generate_latest(self._collectors), _SAFE)
            case "/healthz":
                alive = self._healthy()
                return Reply(
                    200 if alive else 503, PLAIN, b"ok\n" if alive else b"the supervisor's loop is stuck\n", _SAFE
                )
            case "/readyz":
                reasons, note = self._unready(), self._note()
                lines = [*(reasons or ["ok"]), *([note] if note else [])]
                return Reply(503 if reasons else 200, PLAIN, ("\n".join(map(printable, lines)) + "\n").encode(), _SAFE)
            case _:
                return Reply(404, PLAIN, b"there is /, /status.json, /metrics, /healthz and /readyz\n", _SAFE)

    def _status(self, known: str | None) -> Reply:
        tag, body = self._recorder.json()
        headers = (*_SAFE, ("ETag", tag), ("Cache-Control", "no-cache"))
        if known is not None and (tag in known or known.strip() == "*"):
            return Reply(NOT_MODIFIED, "", b"", headers)
        return Reply(200, "application/json", body, headers)

    def close(self) -> None:
        """Stops listening and ends the serving thread."""
        self._port.close()


def _unusable(host: str, port: int, error: OSError) -> Problem:
    number = error.errno or 0
    if number < 0 or number == errno.EADDRNOTAVAIL:  # below 0: of getaddrinfo(3)
        return Problem(
            "metrics.host", f'"{host}"', "no address of this machine; write one of its own, such as 127.0.0.1"
        )
    # Not the error's own words: Python adds what it tried.
    return Problem("metrics.port", f"{host}:{port}", f"cannot listen there ({os.strerror(number)}); choose another")
