"""Counted telemetry and commands that flow until told otherwise, and checkpoints that somebody watches."""

import itertools
import threading
from collections.abc import Callable, Mapping

from tests.faults.commands import CommandTopics
from tests.faults.sink_rig import SinkRig
from tests.faults.telemetry import Feeder, Topic

_TURN_SECONDS = 0.5


class Repeated(threading.Thread):
    """Calls `turn` again and again until `finish`. What it raises ends the calls and is raised by `finish`."""

    def __init__(self, name: str, turn: Callable[[], None], seconds: float = _TURN_SECONDS) -> None:
        """`seconds`: between two calls."""
        super().__init__(name=name, daemon=True)
        self._turn = turn
        self._seconds = seconds
        self._ended = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._ended.wait(self._seconds):
                self._turn()
        except BaseException as error:
            self._error = error

    def finish(self, seconds: float = 120.0) -> None:
        """Ends the calls. Raises AssertionError when a call lasts longer than `seconds`, and what a call raised."""
        self._ended.set()
        self.join(seconds)
        assert not self.is_alive(), f"{self.name} is stuck after {seconds:g} s"
        if self._error is not None:
            raise self._error


def telemetry(feeder: Feeder, partitions: tuple[str, ...], rate: int) -> Repeated:
    """About `rate` events/s in all, from four devices of each partition, one partition after the other."""
    each = max(1, int(rate * _TURN_SECONDS / len(partitions)))
    turns = itertools.cycle(partitions)
    return Repeated("telemetry", lambda: feeder.send(next(turns), each), _TURN_SECONDS / len(partitions))


def commands(topics: CommandTopics, devices: list[str]) -> Repeated:
    """Two commands per second to every device."""
    return Repeated("commands", lambda: topics.send(devices, 1))


def drained(rig: SinkRig, topic: Topic, feeder: Feeder, seconds: float) -> list[str]:
    """Waits up to `seconds` for all events and as long for all commands; what is wrong with them."""
    problems = []
    for check in (
        lambda: topic.read(feeder.sent, seconds),
        lambda: topic.check(feeder.sent),
        lambda: rig.wait_received(seconds=seconds),
    ):
        try:
            check()
        except AssertionError as error:
            problems.append(str(error))
    return problems


class CheckpointWatch:
    """Looks at the store twice a second; `backwards` tells each checkpoint that was lower than it had been."""

    def __init__(self, look: Callable[[], Mapping[str, int]]) -> None:
        """`look` returns partition → sequence number of its checkpoint; nothing if the store does not answer."""
        self.backwards: list[str] = []
        self.looks = 0
        self._read = look
        self._highest: dict[str, int] = {}
        self.thread = Repeated("checkpoints", self._look)

    def _look(self) -> None:
        self.note(self._read())

    def note(self, found: Mapping[str, int]) -> None:
        """`found`: partition → sequence number of its checkpoint, as the store has it now."""
        self.looks += 1
        for partition, number in found.items():
            before = self._highest.get(partition, -1)
            if number < before:
                self.backwards.append(f"partition {partition}: {before} → {number}")
            self._highest[partition] = number
