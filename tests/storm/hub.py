"""A hub in a process of its own, as `ingest emulator`, whose devices begin to send when they are told to."""

import argparse
import dataclasses
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.emulator import Emulator
from ingest.emulator.devices.fleet import Fleet, Pacer
from tests.end_to_end.emulator_process import EmulatorProcess
from tests.faults.waiting import PATIENCE_SECONDS
from tests.services import ROOT
from tests.services.guard import Guard

_AT_ONCE = 500
_LEAST_SECONDS = 0.01


class HubProcess(EmulatorProcess):
    """The running hub."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders, self._answers = process.stdin, process.stdout
        super().__init__(json.loads(self._answers.readline()))

    def begin(self) -> None:
        """From now on the devices send."""
        self._order("begin")

    def finish(self) -> dict[str, int]:
        """Device id → its last counter, once all have sent all their events."""
        self._order("finish")
        return dict(json.loads(self._answers.readline()))

    def stop(self) -> dict[str, int]:
        """The same, and no more are sent."""
        self._order("stop")
        return dict(json.loads(self._answers.readline()))

    def _order(self, word: str) -> None:
        self._orders.write(f"{word}\n")
        self._orders.flush()


@contextmanager
def hub_process(*, partitions: int, devices: int, seed: int, rate: float, events: int) -> Iterator[HubProcess]:
    """`devices` send `events` in all (0: until `stop`), `rate` a second."""
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
    """Serves until its input ends, and takes orders from it: see `HubProcess`."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.hub", description=__doc__)
    for name, kind in (("partitions", int), ("devices", int), ("seed", int), ("rate", float), ("events", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    options = parser.parse_args()
    fleet, ends = Fleet(options.devices, options.seed), threading.Event()
    with Emulator(partitions=options.partitions) as emulator:
        print(json.dumps(dataclasses.asdict(emulator.endpoints)), flush=True)
        sender = threading.Thread(target=_send, args=(emulator, fleet, options.rate, options.events, ends), daemon=True)
        for order in sys.stdin:
            if order == "begin\n":
                sender.start()
                continue
            if order == "stop\n":
                ends.set()
            sender.join()
            print(json.dumps(fleet.counters), flush=True)
    return 0


def _send(emulator: Emulator, fleet: Fleet, rate: float, events: int, ends: threading.Event) -> None:
    pacer = Pacer(rate, events, time.monotonic())
    while not pacer.done and not ends.wait(max(_LEAST_SECONDS, pacer.wait_seconds(time.monotonic()))):
        due = fleet.take(pacer.due(time.monotonic(), _AT_ONCE))
        emulator.send_many((each.device_id, each.body, each.properties) for each in due)


if __name__ == "__main__":
    sys.exit(main())
