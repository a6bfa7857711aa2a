"""A hub in a process of its own, as `ingest emulator`, whose devices begin to send when they are told to."""

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.emulator import Emulator
from ingest.emulator.devices.fleet import Fleet
from tests.end_to_end.emulator_process import EmulatorProcess
from tests.faults.waiting import PATIENCE_SECONDS
from tests.services import ROOT
from tests.services.guard import Guard


class HubProcess(EmulatorProcess):
    """The running hub."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        super().__init__(json.loads(process.stdout.readline()))
        self._orders = process.stdin

    def begin(self) -> None:
        """From now on the devices send."""
        self._orders.write("begin\n")
        self._orders.flush()


@contextmanager
def hub_process(*, partitions: int, devices: int, seed: int, rate: float, events: int) -> Iterator[HubProcess]:
    """`devices` send `events` in all, `rate` a second."""
    options = {"partitions": partitions, "devices": devices, "seed": seed, "rate": rate, "events": events}
    command = [sys.executable, "-m", "tests.storm.hub", *(f"--{name}={value}" for name, value in options.items())]
    guard = Guard("hub")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    guard.watch(process.pid)
    try:
        yield HubProcess(process)
    finally:
        process.communicate(timeout=PATIENCE_SECONDS)
        guard.release(process.pid)
        guard.close()


def main() -> int:
    """Serves until its input ends; a line of it lets the devices begin."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.hub", description=__doc__)
    for name, kind in (("partitions", int), ("devices", int), ("seed", int), ("rate", float), ("events", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    options = parser.parse_args()
    with Emulator(partitions=options.partitions) as emulator:
        print(json.dumps(dataclasses.asdict(emulator.endpoints)), flush=True)
        for _ in sys.stdin:
            emulator.simulate(Fleet(options.devices, options.seed), rate=options.rate, events=options.events)
    return 0


if __name__ == "__main__":
    sys.exit(main())
