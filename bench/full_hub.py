"""A hub whose log is full when it begins to serve.

`python -m bench.full_hub PARTITIONS EVENTS FRAME_BYTES DEVICES` prints its endpoints as `ingest emulator --json` does, when its
log is full, and serves until SIGTERM.
"""

import dataclasses
import json
import signal
import sys

from bench.events import fill
from ingest.emulator import Emulator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(partitions: int, events: int, frame_bytes: int, devices: int) -> None:
    # Blocked before there are threads, and fetched below.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with Emulator(partitions=partitions) as emulator:
        fill(emulator.hub, events, frame_bytes, devices)
        print(json.dumps(dataclasses.asdict(emulator.endpoints)), flush=True)
        signal.sigwait(STOP_SIGNALS)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
