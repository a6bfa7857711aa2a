"""The supervisor's HTTP port: /metrics, /healthz and /readyz."""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from ingest import scarcity
from ingest.errors import ConfigError, Problem, Unreachable
from ingest.metrics.http_port import HttpPort
from ingest.metrics.registry import Registry
from ingest.printable import printable


class Exposition:
    """Serves one registry and two health checks over HTTP, on its own thread.

    Each request calls `healthy` and `unready`: whether the supervisor's loop is alive, and the reasons why the service
    is not ready (empty if it is). `note` is one more line of /readyz, and does not make the service unready.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        healthy: Callable[[], bool],
        unready: Callable[[], list[str]],
        note: Callable[[], str | None] = lambda: None,
        host: str,
        port: int,
    ) -> None:
        collectors = CollectorRegistry()
        collectors.register(registry)
        self._collectors = collectors
        self._healthy = healthy
        self._unready = unready
        self._note = note
        self._address = (host, port)
        self._port = HttpPort(self.answer, host=host, port=port)

    @property
    def port(self) -> int:
        """The port in use; before `start`, the requested port."""
        return self._port.port

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
            raise ConfigError(
                [Problem("metrics.port", f"{host}:{port}", f"cannot listen there ({error.strerror}); choose another")]
            ) from None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Returns (status, content type, body) for a path."""
        plain = "text/plain; charset=utf-8"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._collectors)
        if path == "/healthz":
            return (200, plain, b"ok\n") if self._healthy() else (503, plain, b"the supervisor's loop is stuck\n")
        if path == "/readyz":
            reasons, note = self._unready(), self._note()
            lines = [*(reasons or ["ok"]), *([note] if note else [])]
            return 503 if reasons else 200, plain, ("\n".join(map(printable, lines)) + "\n").encode()
        return 404, plain, b"there is /metrics, /healthz and /readyz\n"

    def close(self) -> None:
        """Stops listening and ends the serving thread."""
        self._port.close()
