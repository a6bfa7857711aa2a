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

    def sent(self) -> dict[str, int]:
        """Device id → its last counter, once all devices have sent all their events."""

        def all_sent() -> dict[str, int] | None:
            with urllib.request.urlopen(f"{self.told['control']}/simulation", timeout=PATIENCE_SECONDS) as answer:
                progress = json.load(answer)
            return progress["per_device"] if progress["done"] else None

        return wait_until(all_sent, "the devices are not done") or {}


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
