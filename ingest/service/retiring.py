"""Processes that end while the others go on: each by its deadline; then the metrics drop its series."""

import logging
from collections.abc import Iterator

from ingest.metrics.registry import Registry
from ingest.process.supervised import SupervisedProcess
from ingest.timing import Clock, Deadline

CHILDREN_SHARE = 0.9
"""Of the time to drain: the rest is for a child's last messages, before it is terminated."""

logger = logging.getLogger(__name__)


class Retiring:
    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._slots: list[tuple[SupervisedProcess, Deadline]] = []

    def __iter__(self) -> Iterator[SupervisedProcess]:
        return (slot for slot, _ in self._slots)

    def add(self, slot: SupervisedProcess, seconds: float) -> None:
        """Asks the process to end within `seconds`."""
        self._slots.append((slot, Deadline(seconds, clock=self._clock)))
        slot.close(Deadline(seconds * CHILDREN_SHARE))

    def expel(self, slot: SupervisedProcess, seconds: float) -> None:
        """Ends the process at once, which takes up to `seconds`; it may have been asked to end before."""
        self._slots = [each for each in self._slots if each[0] is not slot]
        self._slots.append((slot, Deadline(seconds, clock=self._clock)))
        slot.terminate()

    def poll(self) -> None:
        """Terminates processes past their deadline, and forgets those that have ended."""
        for slot, deadline in list(self._slots):
            if slot.alive and deadline.expired:
                logger.error("Not drained in time, ended now: %s. What it held is read again at the next start.", slot)
                slot.terminate()
            elif not slot.alive:
                self._slots.remove((slot, deadline))
                for sentence in slot.unsaved:
                    logger.error("%s: %s", slot, sentence)
                self._registry.forget((slot.task.role, slot.task.slot))
