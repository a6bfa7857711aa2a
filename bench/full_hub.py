"""A hub with events that are smaller than what IoT Hub makes.

`python -m bench.lean_hub PARTITIONS EVENTS DEVICES` prints its endpoints as `ingest emulator --json` does, when its log is
full, and serves until SIGTERM.
"""

import dataclasses
import json
import signal
import sys

from bench.events import lean_messages
from ingest.emulator import Emulator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(partitions: int, events: int, devices: int) -> None:
    # Blocked before there are threads, and fetched below.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with Emulator(partitions=partitions) as emulator:
        for device, message in lean_messages(events, devices):
            emulator.append(str(device % partitions), message)
        print(json.dumps(dataclasses.asdict(emulator.endpoints)), flush=True)
        signal.sigwait(STOP_SIGNALS)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
