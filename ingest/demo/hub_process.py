"""The process with the emulated hub and its devices: `python -m ingest.demo.hub_process PLAN`.

It talks with the demo in lines. In: `allow N` (the devices may have sent N events in all), `stop` (they send no more),
`guard G` (0: nobody), and the end of input, which ends this process and the process group G. That end also comes when
the demo is killed and can clear away nothing itself. Out, as JSON objects:
`{"connection_string"}` when ready, `{"sent"}` several times a second, and `{"sent", "per_device"}` when the devices
have ended.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from ingest.demo.plan import Plan
from ingest.emulator.emulator import JSON, Emulator
from ingest.emulator.telemetry import Fleet, Pacer

SLICE_EVENTS = 250
SHORTEST_WAIT_SECONDS = 0.005
REPORT_SECONDS = 0.1
MEMORY_BYTES = 256 << 20
EVENT_BYTES = 1_000
"""What an event of a simulated device takes in the hub's log, overhead included; about 750, rounded up."""


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    # A log holds up to twice as many events before it forgets in bulk.
    retention = MEMORY_BYTES // EVENT_BYTES // plan.partitions // 2
    with Emulator(partitions=plan.partitions, retention_events=retention) as emulator:
        _say({"connection_string": emulator.endpoints.event_hub_connection_string})
        Devices(plan, emulator).run()


class Devices:
    """Sends what is due and allowed, until the end of input."""

    def __init__(self, plan: Plan, emulator: Emulator) -> None:
        self._plan = plan
        self._emulator = emulator
        self._fleet = Fleet(plan.devices)
        self._pacer: Pacer | None = None
        self._ends_at = float("inf")
        self._allowed = 0
        self._ended = False
        self._report_at = 0.0
        self._guarded = 0
        self._partial = b""

    def run(self) -> None:
        try:
            self._serve()
        except BrokenPipeError:
            pass  # The demo is gone: what is said to nobody fails before the end of input is seen.
        finally:
            if self._guarded:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._guarded, signal.SIGKILL)

    def _serve(self) -> None:
        while True:
            if select.select([sys.stdin], [], [], self._idle_seconds())[0]:
                received = os.read(sys.stdin.fileno(), 65_536)
                if not received:
                    return
                *lines, self._partial = (self._partial + received).split(b"\n")
                for line in lines:
                    self._obey(line.decode())
            self._send()

    def _idle_seconds(self) -> float | None:
        if self._pacer is None or self._ended:
            return None
        if self._pacer.sent >= self._allowed:
            return REPORT_SECONDS
        wait = self._pacer.wait_seconds(time.monotonic())
        return min(REPORT_SECONDS, max(wait, SHORTEST_WAIT_SECONDS)) if wait else 0.0

    def _obey(self, order: str) -> None:
        word, _, number = order.partition(" ")
        if word == "guard":
            self._guarded = int(number)
            return
        now = time.monotonic()
        if self._pacer is None:
            self._pacer = Pacer(self._plan.rate, self._plan.events, now)
            self._ends_at = now + (self._plan.seconds or float("inf"))
        if word == "allow":
            self._allowed = int(number)
        elif word == "stop":
            self._ends_at = now

    def _send(self) -> None:
        pacer = self._pacer
        if pacer is None or self._ended:
            return
        now = time.monotonic()
        if now < self._ends_at:
            at_most = min(SLICE_EVENTS, max(0, self._allowed - pacer.sent))
            for device_id, body, properties in self._fleet.take(pacer.due(now, at_most)):
                self._emulator.send(device_id, body, properties=properties, content_type=JSON, content_encoding="utf-8")
        if pacer.done or now >= self._ends_at:
            self._ended = True
            _say({"sent": pacer.sent, "per_device": self._fleet.counters})
        elif now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            _say({"sent": pacer.sent})


def _say(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)


if __name__ == "__main__":
    main()
