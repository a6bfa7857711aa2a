"""Nodes that share the partitions of one emulated hub: supervisors of their own on this machine, one folder of checkpoints."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ingest.emulator import Emulator
from ingest.kafka.admin import TopicSpec, create_topics
from tests.cluster.networks import Network
from tests.faults.conftest import basic_config
from tests.faults.ingest_process import IngestProcess, Sections, write_config
from tests.faults.waiting import PATIENCE_SECONDS, wait_until

_OWNED: Final = re.compile(r"^ingest_cluster_partitions_owned\{.*\} (\S+)$", re.MULTILINE)

_ASK_SECONDS: Final = 0.25
"""Between two questions to the nodes how many partitions they own: the answers cost time that the cluster needs."""


class Node(IngestProcess):
    """One node; `kill_all` is what a power cut does to it."""

    def __init__(self, folder: Path, name: str, network: Network | None = None) -> None:
        """`network`: where it runs; None: with us."""
        folder.mkdir()
        super().__init__(folder, "source")
        self.name = name
        self.network = network

    def start(self) -> None:
        if self.network is None:
            super().start()
        else:
            self.network.inside(super().start)

    @property
    def owned(self) -> int:
        found = _OWNED.search(self._get("/metrics")[1])
        return int(float(found[1])) if found else 0

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill_all(self) -> None:
        """SIGKILL to the supervisor, whose children end at once without it."""
        self.send_signal(signal.SIGKILL)
        self.join()

    def freeze(self) -> None:
        """SIGSTOP to all of its processes, the supervisor last."""
        for pid in (*self.descendants(), self.pid):
            os.kill(pid, signal.SIGSTOP)

    def wake(self) -> None:
        for pid in (self.pid, *self.descendants()):
            with contextlib.suppress(ProcessLookupError):  # the supervisor, awake, has ended it already
                os.kill(pid, signal.SIGCONT)


class Nodes:
    """The nodes of one hub. Use as a `with` block."""

    def __init__(
        self, folder: Path, hub: Emulator, bootstrap: str, topic: str, *layers: Sections, networks: bool = False
    ) -> None:
        """`topic`: where telemetry goes, by which the positions' topic is named, too. `layers`: more configuration.
        `networks`: whether each has a network of its own; then `hub` and the rest are at `networks.ADDRESS`."""
        self.members: list[Node] = []
        self.positions = f"{topic}.positions"
        self._folder = folder
        self._hub = hub
        self._bootstrap = bootstrap
        self._topic = topic
        self._layers = layers
        self._networks = networks
        create_topics(bootstrap, {}, [TopicSpec(self.positions, len(hub.stats().partitions), -1)], PATIENCE_SECONDS)

    def add(self) -> Node:
        """Starts one more node."""
        number = len(self.members)
        network = Network(number) if self._networks else None
        node = Node(self._folder / f"node-{number}", f"node {number}", network)
        hub = self._hub.endpoints.event_hub_connection_string
        write_config(
            node.config,
            basic_config(self._folder, hub, self._bootstrap, self._topic),
            {
                "source": {"position_topic": self.positions},
                "cluster": {"coordination": "kafka", "shared_checkpoint_folder": True},
            },
            {"metrics": {"host": network.address}} if network is not None else {},
            *self._layers,
        )
        self.members.append(node)
        node.start()
        return node

    @property
    def running(self) -> list[Node]:
        return [node for node in self.members if node.runs]

    def levels(self) -> dict[str, int | None]:
        """Partition → how many readers have been let in so far, of which the last has it; None while nobody has it."""
        found: dict[str, int | None] = {}
        for partition, stats in self._hub.stats().partitions.items():
            read = any(each.epoch is not None for each in stats.receivers)
            found[partition] = stats.attaches - stats.refused if read else None
        return found

    def wait_shared(self, *nodes: Node, seconds: float = PATIENCE_SECONDS) -> float:
        """Waits until these nodes read all partitions, and none more than one partition more than another. Returns the
        seconds that it took."""
        began = asked = time.monotonic()

        def shared() -> bool:
            nonlocal asked
            if None in self.levels().values() or time.monotonic() - asked < _ASK_SECONDS:
                return False
            asked = time.monotonic()
            owned = [node.owned for node in nodes]
            return sum(owned) == len(self.levels()) and max(owned) - min(owned) <= 1

        wait_until(shared, lambda: nodes[0].story(f"{[each.owned for each in nodes]} of {self.levels()}"), seconds)
        return time.monotonic() - began

    def wait_taken(self, before: dict[str, int | None], partitions: Collection[str], seconds: float) -> float:
        """Waits until each of the partitions is read by another reader than `before`. Returns the seconds."""
        began = time.monotonic()

        def taken() -> bool:
            now = self.levels()
            return all(now[each] not in (None, before[each]) for each in partitions)

        wait_until(taken, lambda: f"{before} became {self.levels()}", seconds)
        return time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.members:
            node.__exit__(kind, error, traceback)
            if node.network is not None:
                node.network.close()
