"""A hub whose devices send and receive without a pause, and Kafka's topics: what came through is counted at the end."""

import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.emulator import Emulator
from ingest.timing import Deadline
from tests.faults.commands import CommandTopics, Received
from tests.faults.ingest_process import Sections
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import PATIENCE_SECONDS, wait_until

PARTITIONS = ("0", "1", "2", "3")
_PAUSE_SECONDS = 0.1
_EVENTS = 10
"""To each partition after each pause."""
_DEVICES = ("valve-1", "valve-2", "valve-3", "valve-4")


class Traffic:
    """Use as a `with` block."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as closing:
            self._hub = closing.enter_context(Emulator(partitions=len(PARTITIONS), c2d=True))
            self._hub.c2d.auto_complete()
            self._feeder = Feeder(self._hub)
            self._telemetry = closing.enter_context(Topic(self._bootstrap))  # of what is committed only
            self._commands = closing.enter_context(CommandTopics(self._bootstrap))
            self._closing = closing.pop_all()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._closing.close()

    def settings(self) -> Sections:
        """What a node's configuration says of this hub and this Kafka; secrets as credentials."""
        telemetry, commands = self._telemetry.name, self._commands.name
        return {
            "hub": {
                "event_hub_connection_string_file": "event-hub",
                "iot_hub_connection_string_file": "iot-hub",
                "ca_file": "/etc/ingest/ca.pem",
            },
            "source": {
                "topic": telemetry,
                "dead_letter_topic": f"{telemetry}.dead",
                "position_topic": f"{telemetry}.positions",
            },
            "sink": {
                "topics": [commands],
                "group_id": commands,
                "dead_letter_topic": f"{commands}.dead",
                "sends_per_second": 100,
                "processes": 1,
            },
            "checkpoints": {"store": "file"},
            "kafka": {"bootstrap_servers": self._bootstrap},
        }

    def secrets(self) -> dict[str, str]:
        endpoints = self._hub.endpoints
        return {
            "event-hub": endpoints.event_hub_connection_string_tls,
            "iot-hub": endpoints.iot_hub_connection_string,
        }

    @property
    def ca(self) -> Path:
        return Path(self._hub.endpoints.ca_file)

    def wait_caught_up(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until all that was sent before is in Kafka."""
        sent, there = dict(self._feeder.sent), self._telemetry.counters
        deadline = Deadline(seconds)
        while behind := [device for device, last in sent.items() if len(set(there[device])) < last]:
            assert not deadline.expired, f"after {seconds:g} s events of {', '.join(behind)} are missing"
            self._telemetry.poll(_PAUSE_SECONDS)

    def stop(self) -> None:
        """No more is sent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_SECONDS)

    def count(self) -> str:
        """Stops, and compares both ends. Raises AssertionError if anything is lost or out of order."""
        self.stop()
        sent, ordered = self._feeder.sent, self._commands.sent
        self._telemetry.read(sent)
        self._telemetry.check(sent)
        wait_until(lambda: self._received().missing(ordered) == 0, "commands are missing")
        received = self._received()
        received.check(ordered)
        return (
            f"{sum(sent.values()):,} events sent, 0 lost, 0 out of order, {self._telemetry.repeats:,} repeated; "
            f"{sum(ordered.values()):,} commands sent, 0 lost, 0 out of order, {received.repeats:,} repeated"
        )

    @property
    def repeats(self) -> int:
        """Of telemetry, in what has been read so far."""
        return self._telemetry.repeats

    def _received(self) -> Received:
        return Received(self._hub.c2d.consumed())

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            for partition in PARTITIONS:
                self._feeder.send(partition, _EVENTS)
            self._commands.send(_DEVICES, 1)
