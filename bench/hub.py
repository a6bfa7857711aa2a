"""The hub of a benchmark: `ingest emulator` in a process of its own, seen through its control endpoint."""

import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

from tests.services import ROOT

ASK_SECONDS = 60
END_SECONDS = 20


class HubProcess:
    """Started by `with`; ends with it. `endpoints` is the line that the command prints when it is ready."""

    def __init__(self, *options: str, module: str | None = None) -> None:
        """`module` is run instead of `ingest emulator`, and prints the same line."""
        self._command = ["-m", module, *options] if module else ["-m", "ingest", "emulator", "--json", *options]
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._process: subprocess.Popen[str] | None = None
        self.endpoints: dict[str, Any] = {}

    @property
    def event_hub(self) -> str:
        return str(self.endpoints["event_hub_connection_string"])

    @property
    def event_hub_tls(self) -> str:
        return str(self.endpoints["event_hub_connection_string_tls"])

    @property
    def address_tls(self) -> str:
        """As azure-eventhub wants an address with a port."""
        return "sb://" + str(self.endpoints["amqps"]).partition("://")[2]

    @property
    def key(self) -> str:
        """The service policy's."""
        return self.event_hub.partition("SharedAccessKey=")[2].partition(";")[0]

    @property
    def iot_hub(self) -> str:
        return str(self.endpoints["iot_hub_connection_string"])

    @property
    def ca_file(self) -> str:
        return str(self.endpoints["ca_file"])

    def start(self) -> None:
        """Returns when the hub can be reached."""
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        self.endpoints = json.loads(self._process.stdout.readline())

    def cpu_seconds(self) -> float:
        """User and system, since its start."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def stats(self) -> Any:
        """What the hub holds, has taken and has refused, as its control endpoint tells."""
        return self.control("GET", "/stats")

    def order(self, call: str, **arguments: object) -> Any:
        """`POST /<call>` of the control endpoint, such as `faults/delay` or `c2d/set_limit`."""
        return self.control("POST", f"/{call}", arguments)

    def control(self, method: str, path: str, arguments: object | None = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.endpoints["control"]).netloc, timeout=ASK_SECONDS)
        try:
            connection.request(method, path, None if arguments is None else json.dumps(arguments))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == http.client.OK, body
            return json.loads(body)
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with self._process:
                self._process.terminate()
                try:
                    self._process.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
        self._folder.cleanup()
