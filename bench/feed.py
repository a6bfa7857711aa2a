"""The hub of a benchmark: `ingest emulator` in a process of its own, its log full before the clock starts."""

import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.emulator.raw_client import RawClient
from tests.faults.waiting import wait_until
from tests.services import ROOT

HUB = "iothub-ehub-emulator"
FILL_SECONDS = 60.0
DEVICES = 100
SAMPLED_FRAMES = 1_000


class Feed:
    """`events` simulated events in `partitions` partitions. The transfer frame of one has about 600 bytes: some 120 of
    body, IoT Hub's own annotations most of the rest."""

    def __init__(self, events: int, partitions: int = 1) -> None:
        self._arguments = [
            *("--partitions", str(partitions), "--events", str(events)),
            *("--devices", str(DEVICES)),
        ]
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._process: subprocess.Popen[str] | None = None
        self.endpoints: dict[str, Any] = {}

    @property
    def event_hub(self) -> str:
        return str(self.endpoints["event_hub_connection_string"])

    def start(self) -> None:
        """Returns when the log is full."""
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest", "emulator", "--json", *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        self.endpoints = json.loads(self._process.stdout.readline())
        wait_until(lambda: self._control("GET", "/simulation")["done"], "the hub's log is not full", FILL_SECONDS)

    def hide(self) -> None:
        """Clients can attach, and are sent nothing until `show`."""
        self._control("POST", "/faults/starve")

    def show(self) -> None:
        self._control("DELETE", "/faults")

    def stats(self) -> Any:
        """What every partition holds and who is attached, as the emulator's control endpoint tells."""
        return self._control("GET", "/stats")

    def frame_bytes(self) -> int:
        """Mean size of the transfer frames of partition 0, as a stranger's client gets them."""
        key = self.event_hub.partition("SharedAccessKey=")[2].partition(";")[0]
        with RawClient(self.endpoints["amqp"]) as client:
            client.open()
            client.authorize(key, HUB)
            client.attach_receiver(HUB)
            client.receive_attach()
            client.flow(0, SAMPLED_FRAMES)
            return round(client.count_transfers(SAMPLED_FRAMES) / SAMPLED_FRAMES)

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
                    self._process.wait(20)
                except subprocess.TimeoutExpired:
                    self._process.kill()
        self._folder.cleanup()

    def _control(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.endpoints["control"]).netloc, timeout=20)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == http.client.OK, body
            return json.loads(body)
        finally:
            connection.close()
