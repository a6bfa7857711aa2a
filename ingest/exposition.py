"""The supervisor's HTTP port: /metrics, /healthz and /readyz."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ingest.errors import ConfigError, Problem
from ingest.metrics import METRICS, Labels, Metric, Snapshot
from ingest.printable import printable


class Registry:
    """All series of this node. Written by the supervisor's loop, read by the HTTP threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, dict[Labels, float | tuple[list[int], float]]] = {m.name: {} for m in METRICS}
        self._metrics = {metric.name: metric for metric in METRICS}

    def apply(self, snapshot: Snapshot) -> None:
        """Adds what a child counted since its last snapshot."""
        with self._lock:
            for name, labels, value in snapshot:
                series = self._series[name]
                before = series.get(labels)
                if isinstance(value, tuple):
                    deltas, total = value
                    if isinstance(before, tuple):
                        deltas = [old + new for old, new in zip(before[0], deltas, strict=True)]
                        total += before[1]
                    series[labels] = (deltas, total)
                elif self._metrics[name].kind == "counter":
                    series[labels] = value + (before if isinstance(before, float | int) else 0)
                elif name.endswith("_info"):
                    # What it told before is no longer so: a partition has one transport at a time.
                    for other in [key for key in series if key[:-1] == labels[:-1]]:
                        del series[other]
                    series[labels] = value
                else:
                    series[labels] = value

    def add(self, metric: Metric, delta: float, *labels: str) -> None:
        self.apply([(metric.name, labels, delta)])

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        self.apply([(metric.name, labels, value)])

    def value(self, metric: Metric, *labels: str) -> float:
        """The value of one counter or gauge series; 0 when nothing was counted yet."""
        with self._lock:
            value = self._series[metric.name].get(labels, 0.0)
        return value if isinstance(value, float | int) else value[1]

    def collect(self) -> Iterator[Family]:
        """The collector interface of prometheus_client."""
        with self._lock:
            copy = {name: list(series.items()) for name, series in self._series.items()}
        for metric in METRICS:
            if copy[metric.name]:
                yield _family(metric, copy[metric.name])


def _family(metric: Metric, series: list[tuple[Labels, float | tuple[list[int], float]]]) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        bounds = [*(repr(bound) for bound in metric.buckets), "+Inf"]
        for labels, value in series:
            if isinstance(value, tuple):
                counts, running = [], 0
                for count in value[0]:
                    running += count
                    counts.append(running)
                buckets = [(bound, float(count)) for bound, count in zip(bounds, counts, strict=True)]
                histogram.add_metric(labels, buckets, value[1])
        return histogram
    if metric.kind == "summary":
        # prometheus_client's own family of this kind has a count and a sum, and no quantiles.
        summary = Family(metric.full_name, metric.help, "summary")
        for labels, value in series:
            if not isinstance(value, tuple):
                summary.add_sample(metric.full_name, dict(zip(metric.labels, labels, strict=True)), value)
        return summary
    family: CounterMetricFamily | GaugeMetricFamily = (
        CounterMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        if metric.kind == "counter"
        else GaugeMetricFamily(metric.full_name, metric.help, labels=metric.labels)
    )
    for labels, value in series:
        if not isinstance(value, tuple):
            family.add_metric(labels, value)
    return family


class Exposition:
    """Serves one registry and two questions over HTTP, on threads of its own.

    `healthy` and `unready` are asked at each request: whether the supervisor's loop is alive, and the reasons why the
    service is not ready (empty when it is).
    """

    def __init__(
        self, registry: Registry, *, healthy: Callable[[], bool], unready: Callable[[], list[str]], host: str, port: int
    ) -> None:
        collectors = CollectorRegistry()
        collectors.register(registry)
        self._collectors = collectors
        self._healthy = healthy
        self._unready = unready
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; the one asked for before `start`."""
        return self._server.server_address[1] if self._server else self._address[1]

    def start(self) -> None:
        """Binds and serves. Raises ConfigError when the address is taken or not ours."""
        exposition = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = exposition.answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A scrape every few seconds is no news."""

        host, port = self._address
        try:
            self._server = ThreadingHTTPServer(self._address, Handler)
        except OSError as error:
            raise ConfigError(
                [Problem("metrics.port", f"{host}:{port}", f"cannot listen there ({error.strerror}); choose another")]
            ) from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="exposition", daemon=True
        )
        self._thread.start()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) for a path."""
        plain = "text/plain; charset=utf-8"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._collectors)
        if path == "/healthz":
            return (200, plain, b"ok\n") if self._healthy() else (503, plain, b"the supervisor's loop is stuck\n")
        if path == "/readyz":
            reasons = self._unready()
            return (
                (503, plain, ("\n".join(map(printable, reasons)) + "\n").encode()) if reasons else (200, plain, b"ok\n")
            )
        return 404, plain, b"there is /metrics, /healthz and /readyz\n"

    def close(self) -> None:
        """Stops listening and ends the serving thread."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5.0)
            self._server = None
