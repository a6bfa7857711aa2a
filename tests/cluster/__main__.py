"""`python -m tests.cluster`: three nodes and three brokers under load, and everything that can happen to a node.

Prints, for each event, how long it took until all partitions were read again, and how they were spread; at the end what of the
telemetry is lost or repeated. Not part of the tests: it takes minutes.
"""

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from ingest.emulator import Emulator
from tests.cluster.nodes import Node, Nodes
from tests.faults.telemetry import Feeder, Topic
from tests.services.azurite import Azurite
from tests.services.kafka import KafkaCluster
from tests.storm import load

_SECONDS = 180.0
_SETTLE_SECONDS = 8.0


def main() -> int:
    """0 when nothing was lost and every take-over was in time; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=32)
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--rate", type=int, default=3_000, help="events/s")
    parser.add_argument("--freeze-seconds", type=float, default=60.0)
    parser.add_argument("--delivery", choices=["at_least_once", "exactly_once"], default="at_least_once")
    parser.add_argument("--coordination", choices=["kafka", "blob"], default="kafka")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where configurations and logs stay")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        folder.mkdir(parents=True, exist_ok=True)
        kafka = stack.enter_context(KafkaCluster(options.brokers))
        hub = stack.enter_context(Emulator(partitions=options.partitions))
        topic = stack.enter_context(Topic(kafka.bootstrap, partitions=8))
        layer: dict[str, dict[str, object]] = {"source": {"delivery": options.delivery}}
        if options.coordination == "blob":
            store = stack.enter_context(Azurite())
            layer["cluster"] = {"coordination": "blob"}
            layer["checkpoints"] = {"store": "blob", "blob_connection_string": store.connection_string}
        nodes = stack.enter_context(Nodes(folder, hub, kafka.bootstrap, topic.name, layer))
        result = Run(options, kafka, hub, topic, nodes).all()
    print(json.dumps(result))
    return 1 if result["lost"] or result["late"] else 0


class Run:
    def __init__(
        self, options: argparse.Namespace, kafka: KafkaCluster, hub: Emulator, topic: Topic, nodes: Nodes
    ) -> None:
        self._options = options
        self._kafka = kafka
        self._topic = topic
        self._nodes = nodes
        self._feeder = Feeder(hub)
        self._late: list[str] = []

    def all(self) -> dict[str, object]:
        nodes, options = self._nodes, self._options
        members = [nodes.add() for _ in range(options.nodes - 1)]
        self._tell("cold start", nodes.wait_shared(*members, seconds=_SECONDS), members)
        with self._telemetry():
            members.append(nodes.add())
            self._tell("one joins", nodes.wait_shared(*members, seconds=_SECONDS), members)
            self._leave(members)
            self._back(members)
            self._taken("kill -9", members, self._limit, Node.kill_all)
            self._back(members)
            self._freeze(members)
            self._broker(members)
            self._upgrade(members)
        counters = self._topic.counters
        with contextlib.suppress(AssertionError):
            self._topic.read(self._feeder.sent, _SECONDS)
        lost = self._topic.missing(self._feeder.sent)
        disordered = sum(
            list(dict.fromkeys(counters[device])) != sorted(set(counters[device])) for device in self._feeder.sent
        )
        return {
            "delivery": options.delivery,
            "sent": sum(self._feeder.sent.values()),
            "lost": lost,
            "repeated": self._topic.repeats,
            "devices_out_of_order": disordered,
            "late": self._late,
        }

    @property
    def _limit(self) -> float:
        """The promise after a node is gone without a word."""
        return 12.0 if self._options.coordination == "kafka" else 75.0

    @contextlib.contextmanager
    def _telemetry(self) -> Iterator[None]:
        partitions = tuple(map(str, range(self._options.partitions)))
        devices = load.telemetry(self._feeder, partitions, self._options.rate)
        reading = load.Repeated("reading", lambda: self._topic.poll(0.4))
        devices.start()
        reading.start()
        try:
            yield
        finally:
            devices.finish()
            reading.finish()

    def _leave(self, members: list[Node]) -> None:
        before, mine = self._nodes.levels(), _partitions(members[0])
        began = time.monotonic()
        members[0].send_signal(signal.SIGTERM)
        seconds = self._nodes.wait_taken(before, mine, _SECONDS)
        code = members[0].join()
        self._nodes.wait_shared(*members[1:], seconds=_SECONDS)
        limit = 3.0 if self._options.coordination == "kafka" else None
        self._tell(
            "graceful leave", seconds, members[1:], limit, f"exit {code}, all in {time.monotonic() - began:.1f} s"
        )

    def _back(self, members: list[Node]) -> None:
        members[0].start()
        self._tell("it is back", self._nodes.wait_shared(*members, seconds=_SECONDS), members)
        self._settle()

    def _taken(self, what: str, members: list[Node], limit: float, strike: Callable[[Node], object]) -> None:
        before, mine = self._nodes.levels(), _partitions(members[0])
        strike(members[0])
        seconds = self._nodes.wait_taken(before, mine, _SECONDS)
        self._nodes.wait_shared(*members[1:], seconds=_SECONDS)
        self._tell(what, seconds, members[1:], limit)

    def _freeze(self, members: list[Node]) -> None:
        began = time.monotonic()
        self._taken("freeze", members, self._limit, Node.freeze)
        while time.monotonic() - began < self._options.freeze_seconds:
            self._settle(1.0)
        before = self._nodes.levels()
        members[0].wake()
        self._tell("it wakes", self._nodes.wait_shared(*members, seconds=_SECONDS), members)
        stolen = sum((level or 0) < (before[each] or 0) for each, level in self._nodes.levels().items())
        if stolen:
            self._late.append(f"{stolen} partitions went back to an older owner level")
        self._settle()

    def _broker(self, members: list[Node]) -> None:
        self._kafka.kill(self._options.brokers)
        began = time.monotonic()
        while time.monotonic() - began < 30:
            self._settle(1.0)
        self._tell("a broker has been down for", time.monotonic() - began, members)
        self._kafka.restart(self._options.brokers)
        self._tell("it is back", self._nodes.wait_shared(*members, seconds=_SECONDS), members)

    def _upgrade(self, members: list[Node]) -> None:
        began = time.monotonic()
        for node in members:
            assert node.close() == 0, node.story("it did not end well")
            node.start()
            self._nodes.wait_shared(*members, seconds=_SECONDS)
        self._tell("rolling restart of all", time.monotonic() - began, members)

    def _settle(self, seconds: float = _SETTLE_SECONDS) -> None:
        with contextlib.suppress(AssertionError):
            self._nodes.wait_taken(self._nodes.levels(), ["0"], seconds)

    def _tell(self, what: str, seconds: float, members: list[Node], limit: float | None = None, more: str = "") -> None:
        owned = [node.owned for node in members]
        promised = f" (promised: {limit:g} s)" if limit else ""
        print(f"{what}: {seconds:.1f} s{promised}, partitions {owned}{', ' if more else ''}{more}", flush=True)
        if limit and seconds > limit:
            self._late.append(f"{what}: {seconds:.1f} s")


def _partitions(node: Node) -> list[str]:
    """The partitions that the node reads."""
    _, text = node._get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith('ingest_process_up{role="source"')]
    return [line.split('slot="')[1].split('"')[0] for line in lines]


if __name__ == "__main__":
    sys.exit(main())
