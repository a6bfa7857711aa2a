"""A hub for commands, topics, and `ingest sink` between them."""

import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.emulator import Emulator
from ingest.emulator.c2d.message import Delivery
from tests.faults.commands import CommandTopics, Received
from tests.faults.ingest_process import IngestProcess, Sections, write_config
from tests.faults.waiting import PATIENCE_SECONDS, wait_until


class SinkRig:
    """Use as a `with` block; the sink is not started yet in it. Devices complete what they get unless told otherwise."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        *layers: Sections,
        known_devices: Collection[str] | None = None,
        command: str = "sink",
    ) -> None:
        """`layers` are over the sink's usual configuration here. `known_devices` as of `Emulator`."""
        folder.mkdir(exist_ok=True)
        self.sink = IngestProcess(folder, command)
        self._ca_file = folder / "ca.pem"
        self._bootstrap = bootstrap
        self._layers = layers
        self._known_devices = known_devices
        self._before: list[Delivery] = []
        """What devices got from hubs that have gone."""
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self.hub = Emulator(partitions=2, c2d_host=own_address(), known_devices=self._known_devices)
        self.hub.start()
        self._closing.callback(lambda: self.hub.close())
        try:
            self._open_hub()
            self.topics = self._closing.enter_context(CommandTopics(self._bootstrap))
            write_config(self.sink.config, self.basic_config(), *self._layers)
            self._closing.enter_context(self.sink)
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The sink's end shows its log when the test has failed.
        self._closing.__exit__(kind, error, traceback)

    def basic_config(self) -> Sections:
        """Two processes, 500 commands/s, no feedback."""
        name, endpoints = self.topics.name, self.hub.endpoints
        return {
            "hub": {
                "event_hub_connection_string": endpoints.event_hub_connection_string,
                "iot_hub_connection_string": endpoints.iot_hub_connection_string,
                "ca_file": str(self._ca_file),
            },
            "sink": {
                "topics": [name],
                "group_id": name,
                "dead_letter_topic": f"{name}.dead",
                "feedback_topic": f"{name}.feedback",
                "sends_per_second": 500,
            },
            "source": {"topic": f"{name}.telemetry", "dead_letter_topic": f"{name}.telemetry.dead"},
            "checkpoints": {"store": "file", "path": str(self.sink.config.parent / "checkpoints")},
            "kafka": {"bootstrap_servers": self._bootstrap},
            "metrics": {"port": 0},
            "service": {"log_format": "json", "shutdown_seconds": 20},
        }

    def _open_hub(self) -> None:
        shutil.copy(self.hub.endpoints.ca_file, self._ca_file)
        self.hub.c2d.auto_complete()

    def stop_hub(self) -> None:
        """Nobody listens at the hub's address any more, and its queues are gone."""
        self.hub.close()
        self._before += self.hub.c2d.consumed()

    def replace_hub(self) -> None:
        """A new hub with the old one's address and keys."""
        self.hub = Emulator(partitions=2, c2d_host=own_address(), keys=self.hub.keys, known_devices=self._known_devices)
        self.hub.start()
        self._open_hub()

    def wait_shared(self) -> None:
        """Until both processes have partitions: while these move, finished commands may be read again."""

        def both() -> bool:
            given = [entry for entry in self.sink.log() if entry["message"].startswith("Commands come from ")]
            return {entry["process"] for entry in given} == {"sink-0", "sink-1"}

        wait_until(both, lambda: self.sink.story("not both processes have partitions"))

    def received(self) -> Received:
        """What devices have completed of counted commands."""
        return Received([*self._before, *self.hub.c2d.consumed()])

    def wait_received(self, devices: Iterable[str] | None = None, seconds: float = PATIENCE_SECONDS) -> Received:
        """`received`, once it holds all that was sent to these devices (None: to all); checked."""
        sent = self.topics.sent if devices is None else {name: self.topics.sent[name] for name in devices}

        def complete() -> Received | None:
            received = self.received()
            return None if received.missing(sent) else received

        received = wait_until(
            complete,
            lambda: self.sink.story(f"{self.received().missing(sent)} of {sum(sent.values())} commands are missing"),
            seconds,
        )
        assert received is not None
        received.check(sent)
        return received

    def wait_once(self, devices: Iterable[str] | None = None) -> None:
        """As `wait_received`, and nothing came twice."""
        received = self.wait_received(devices)
        mine = received if devices is None else received.only(set(devices))
        assert mine.repeats == 0, self.sink.story(f"{mine.repeats} repeats: {dict(mine.counters)}")

    def wait_accepted(self, least: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Until the present hub has taken so many commands, repeats included."""

        def accepted() -> int:
            return self.hub.stats().c2d.accepted

        wait_until(
            lambda: accepted() >= least,
            lambda: self.sink.story(f"the hub has taken {accepted()} commands of {least}"),
            seconds,
        )


def own_address(number: int = 0) -> str:
    """A loopback address that no other test run has, for the first hub of a test or another: services' clients know one port
    only."""
    high, low = divmod(os.getpid(), 254)
    return f"127.{64 * (1 + number) + high // 256 % 64}.{high % 256}.{1 + low}"
