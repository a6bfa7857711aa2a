"""A Prometheus server that scrapes one address every second, on a free port, with data that goes with it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services import ServiceError, prometheus_programs
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

_START_SECONDS = 60
_HTTP_SECONDS = 10


class Prometheus:
    """Use as a `with` block."""

    def __init__(self, target: str, *, job: str = "ingest", rules: Sequence[Path] = ()) -> None:
        """Scrapes `host:port` as `job`, and evaluates the files of `rules` every second."""
        self._target = target
        self._job = job
        self._rules = rules
        self._port = ReservedPort()
        self._guard: Guard | None = None
        self._process: ServiceProcess | None = None

    def start(self) -> None:
        """Start the server and return when it is ready. Raises ServiceError."""
        program = prometheus_programs.prometheus()
        self._guard = Guard("prometheus")
        config = self._guard.folder / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps(self._config()))
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={self._guard.folder / 'data'}"]
        command += [f"--web.listen-address={self._port.address}", "--log.level=warn"]
        self._process = ServiceProcess("Prometheus", command, self._guard)
        self._process.start()
        self._process.wait_until(self._ready, _START_SECONDS)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector now: `{"metric": {label: value}, "value": [time, "text"]}` each. Raises ServiceError."""
        answer: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return answer

    def ask(self, what: str, **parameters: str) -> Any:
        """The `data` of the HTTP API's answer to `/api/v1/<what>`. Raises ServiceError with the server's words."""
        url = f"http://{self._port.address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=_HTTP_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ServiceError(f"Prometheus refuses {what} {parameters}: {refusal.read().decode()}") from None

    def close(self) -> None:
        """Ask the server to stop."""
        if self._process is not None:
            self._process.close()

    def terminate(self) -> None:
        """Kill the server now."""
        if self._process is not None:
            self._process.terminate()

    def join(self, seconds: float = 30) -> None:
        """Wait for the end, kill the server if it lasts longer than `seconds`, and remove the data. Final."""
        if self._process is not None:
            self._process.join(seconds)
        if self._guard is not None:
            self._guard.close()
        self._port.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.terminate()
        self.join()

    def _config(self) -> dict[str, object]:
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        scrape = {"job_name": self._job, "static_configs": [{"targets": [self._target]}]}
        return {"global": every, "scrape_configs": [scrape], "rule_files": [str(file) for file in self._rules]}

    def _ready(self) -> bool:
        if not self._port.answers():
            return False
        try:
            with urllib.request.urlopen(f"http://{self._port.address}/-/ready", timeout=_HTTP_SECONDS):
                return True
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False
