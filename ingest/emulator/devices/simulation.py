"""Sends a fleet's telemetry to the hub in the emulator's loop, in slices, so that the loop keeps serving."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ingest.emulator.devices.fleet import Fleet, Pacer, Telemetry

SLICE_EVENTS = 250
SHORTEST_WAIT_SECONDS = 0.005
"""Events of a fast fleet go in small bundles; a timer for each event would cost more than the event."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a simulation has sent so far."""

    events_sent: int
    per_device: Mapping[str, int]
    done: bool
    """All requested events are sent. Never true without a total, always true without a simulation."""


class Simulation:
    """Sends `total` events (0: no end) of `fleet` at `rate` a second (0: as fast as `publish` takes them)."""

    def __init__(self, fleet: Fleet, rate: float, total: int, publish: Callable[[Telemetry], object]) -> None:
        self._fleet = fleet
        self._rate = rate
        self._total = total
        self._publish = publish
        self._sent = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start on the running loop."""
        self._task = asyncio.create_task(self._run(), name="simulated devices")

    def progress(self) -> Progress:
        return Progress(self._sent, self._fleet.counters, bool(self._total) and self._sent >= self._total)

    async def close(self) -> None:
        """Stop sending."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        pacer = Pacer(self._rate, self._total, clock())
        try:
            while not pacer.done:
                for event in self._fleet.take(pacer.due(clock(), SLICE_EVENTS)):
                    self._publish(event)
                self._sent = pacer.sent
                wait = pacer.wait_seconds(clock())
                if not pacer.done:
                    await asyncio.sleep(max(wait, SHORTEST_WAIT_SECONDS) if wait else 0)
        except Exception:
            _log.exception("The simulated devices stopped after %d events.", self._sent)
