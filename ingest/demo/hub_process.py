"""The process with the emulated hub and its devices: `python -m ingest.demo.hub_process PLAN`.

It exchanges lines with the demo. In: `allow N` (the devices may send N events in all), `stop` (they stop sending),
`tell` (report at once what they have received), `guard G …`, and the end of input, which ends this process and the process
groups G. That end also comes when the demo is killed and cannot clean up itself.
Out, as JSON objects: `{"connection_string"}` when ready, with `commands`, which a service needs to send some, or
`why_no_commands`; `{"sent", "received"}` several times a second, the latter with the commands completed since;
`{"sent", "per_device"}` after the devices' last event; `{"received", "told"}` as the answer to `tell`.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from ingest.demo.plan import TIER, UNITS, Plan
from ingest.demo.receiving import Receiving
from ingest.emulator.devices.fleet import Fleet, Pacer
from ingest.emulator.emulator import JSON, Emulator
from ingest.errors import IngestError

SLICE_EVENTS = 250
SHORTEST_WAIT_SECONDS = 0.005
REPORT_SECONDS = 0.1
MEMORY_BYTES = 256 << 20
EVENT_BYTES = 1_000
"""Size of a simulated device's event in the hub's log, with overhead: about 750, rounded up."""


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    emulator, why_no_commands = start_hub(plan)
    try:
        devices = Devices(plan, emulator)
        endpoints = emulator.endpoints
        news: dict[str, Any] = {"connection_string": endpoints.event_hub_connection_string}
        if why_no_commands:
            news["why_no_commands"] = why_no_commands
        elif plan.commands != 0:
            news["commands"] = {
                "connection_string": endpoints.iot_hub_connection_string,
                "ca_file": endpoints.ca_file,
                "device_ids": devices.ids,
            }
        _say(news)
        devices.run()
    finally:
        emulator.close()


def start_hub(plan: Plan) -> tuple[Emulator, str]:
    """Starts a hub that takes the plan's commands, or one that takes none, and returns it with the reason. Commands
    need a fixed port. Raises OSError if not even the second hub can start."""
    # A log holds up to twice as many events before it drops them in bulk.
    retention = MEMORY_BYTES // EVENT_BYTES // plan.partitions // 2
    why = ""
    if plan.commands != 0:
        emulator = Emulator(partitions=plan.partitions, retention_events=retention, c2d=True, tier=TIER, units=UNITS)
        try:
            emulator.start()
            return emulator, ""
        except IngestError as error:
            why = str(error)
    emulator = Emulator(partitions=plan.partitions, retention_events=retention)
    emulator.start()
    return emulator, why


class Devices:
    """Sends what is due and allowed, and receives commands, until the end of input."""

    def __init__(self, plan: Plan, emulator: Emulator) -> None:
        self._plan = plan
        self._emulator = emulator
        self._fleet = Fleet(plan.devices)
        # No service knows the hub's address before the report of it.
        self._receiving = Receiving(emulator.c2d.hub)
        self._pacer: Pacer | None = None
        self._ends_at = float("inf")
        self._allowed = 0
        self._ended = False
        self._report_at = 0.0
        self._guarded: list[int] = []
        self._partial = b""

    @property
    def ids(self) -> list[str]:
        return list(self._fleet.counters)

    def run(self) -> None:
        try:
            self._serve()
        except BrokenPipeError:
            pass  # The demo is gone: an output without a reader fails before the end of input is seen.
        finally:
            for group in self._guarded:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

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
            self._report(time.monotonic())

    def _idle_seconds(self) -> float | None:
        if self._pacer is None:
            return None
        if self._ended or self._pacer.sent >= self._allowed:
            return REPORT_SECONDS
        wait = self._pacer.wait_seconds(time.monotonic())
        return min(REPORT_SECONDS, max(wait, SHORTEST_WAIT_SECONDS)) if wait else 0.0

    def _obey(self, order: str) -> None:
        word, _, number = order.partition(" ")
        if word == "guard":
            self._guarded = [int(each) for each in number.split()]
            return
        if word == "tell":
            _say({"received": self._receiving.received(), "told": True})
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

    def _report(self, now: float) -> None:
        if now < self._report_at:
            return
        self._report_at = now + REPORT_SECONDS
        news: dict[str, Any] = {}
        if self._pacer is not None and not self._ended:
            news["sent"] = self._pacer.sent
        if received := self._receiving.received():
            news["received"] = received
        if news:
            _say(news)


def _say(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)


if __name__ == "__main__":
    main()
