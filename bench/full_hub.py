"""A hub whose log is full when it begins to serve.

`python -m bench.full_hub PARTITIONS EVENTS FRAME_BYTES DEVICES` prints its endpoints as `ingest emulator --json` does, when its
log is full, and serves until SIGTERM. The name of a profile of `bench.traffic` may stand in place of the last two.
"""

import dataclasses
import json
import signal
import sys

from bench import events as events_of
from bench import traffic
from bench.traffic import PROFILES
from ingest.emulator import Emulator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(partitions: int, events: int, *what: str) -> None:
    # Blocked before there are threads, and fetched below.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with Emulator(partitions=partitions) as emulator:
        if what[0] in PROFILES:
            traffic.fill(emulator.hub, PROFILES[what[0]], events)
        else:
            events_of.fill(emulator.hub, events, *map(int, what))
        print(json.dumps(dataclasses.asdict(emulator.endpoints)), flush=True)
        signal.sigwait(STOP_SIGNALS)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
