"""`ingest emulator` as a user runs it, with devices that send a given number of events."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.faults.waiting import PATIENCE_SECONDS, wait_until
from tests.services import ROOT
from tests.services.guard import Guard


class EmulatorProcess:
    """What the running command told, and what its control endpoint tells."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told

    def sent(self, seconds: float = PATIENCE_SECONDS) -> dict[str, int]:
        """Device id → its last counter, once all devices have sent all their events."""

        def all_sent() -> dict[str, int] | None:
            progress = self._call("GET", "simulation")
            return progress["per_device"] if progress["done"] else None

        return wait_until(all_sent, "the devices are not done", seconds) or {}

    def fault(self, name: str, **arguments: object) -> None:
        """Orders a fault of `ingest.emulator.control.faults.Faults`."""
        self._call("POST", f"faults/{name}", arguments)

    def clear(self) -> None:
        """Ends all faults."""
        self._call("DELETE", "faults")

    def _call(self, method: str, path: str, arguments: Mapping[str, object] | None = None) -> Any:
        body = None if arguments is None else json.dumps(arguments).encode()
        request = urllib.request.Request(f"{self.told['control']}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def emulator_process(*options: str) -> Iterator[EmulatorProcess]:
    guard = Guard("emulator")
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "emulator", "--json", *options], stdout=subprocess.PIPE, cwd=ROOT
    )
    guard.watch(process.pid)
    try:
        assert process.stdout is not None
        yield EmulatorProcess(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
        guard.release(process.pid)
        guard.close()
