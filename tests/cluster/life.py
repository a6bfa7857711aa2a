"""What can happen to the nodes of a cluster under load, one event after the other, and an independent count at the end."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ingest.emulator import Emulator
from tests.cluster import cores
from tests.cluster.cores import Cores, own_seconds
from tests.cluster.networks import CUTS
from tests.cluster.nodes import Node, Nodes
from tests.faults.telemetry import Feeder, Topic
from tests.faults.waiting import wait_until
from tests.services import ServiceError
from tests.services.kafka import KafkaCluster
from tests.storm import load

EVENTS: Final = ("join", "leave", "kill", "freeze", "cut", "broker", "upgrade")
LEFT_SECONDS: Final = 3.0
"""The promise for a graceful end."""
GONE_SECONDS: Final = {"kafka": 12.0, "blob": 75.0}
"""Coordination → the promise after a node is gone without a word: killed, frozen or cut off."""
HEARD_SECONDS: Final = {("kafka", "one-way"): 2.0}
"""Coordination, kind of cut → how much later that can be, as brokers still hear the node: its last heartbeat, and transactions
that they must end first."""
_SECONDS: Final = 180.0
_BROKER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Settings:
    coordination: str = "kafka"
    delivery: str = "at_least_once"
    nodes: int = 3
    partitions: int = 32
    brokers: int = 3
    rate: int = 3_000
    """Events/s."""
    away_seconds: float = 60.0
    """How long a node is frozen, or cut off."""
    settle_seconds: float = 8.0
    """After each event, before the next."""
    events: Sequence[str] = EVENTS
    cuts: Sequence[str] = tuple(CUTS)
    """Of `networks.CUTS`."""


@dataclass(frozen=True)
class Happened:
    event: str
    seconds: float
    """Until all partitions that it concerns were read again; after a join or a return, until all had their share."""
    limit: float | None
    """What is promised."""
    owned: list[int]
    """Partitions of each node afterwards."""
    cores: Mapping[str, float]
    """Who has used how many cores since the last event."""


class Life:
    """`live`, once; `result` then."""

    def __init__(self, settings: Settings, kafka: KafkaCluster, hub: Emulator, topic: Topic, nodes: Nodes) -> None:
        self._settings = settings
        self._kafka = kafka
        self._topic = topic
        self._nodes = nodes
        self._feeder = Feeder(hub)
        self._happened: list[Happened] = []
        self._problems: list[str] = []
        self._cores = Cores(
            {
                "brokers": self._brokers,
                "services": lambda: {node.pid: own_seconds(node.pid) for node in nodes.running},
                "partitions": lambda: {node.pid: sum(map(cores.seconds, node.descendants())) for node in nodes.running},
                "hub, devices and reader": lambda: {os.getpid(): time.process_time()},
            }
        )

    def live(self) -> None:
        """Raises AssertionError when the nodes do not come to rest."""
        settings, nodes = self._settings, self._nodes
        joins = "join" in settings.events
        members = [nodes.add() for _ in range(settings.nodes - joins)]
        self._tell("cold start", nodes.wait_shared(*members, seconds=_SECONDS), members)
        with self._telemetry():
            wait_until(lambda: self._topic.counters, lambda: members[0].story("no event arrives"), _SECONDS)
            if joins:
                members.append(nodes.add())
                self._tell("one joins", nodes.wait_shared(*members, seconds=_SECONDS), members)
            acts: dict[str, Callable[[list[Node]], None]] = {
                "leave": self._leave,
                "kill": self._kill,
                "freeze": self._freeze,
                "cut": self._cuts,
                "broker": self._broker,
                "upgrade": self._upgrade,
            }
            for name, act in acts.items():
                if name in settings.events:
                    act(members)
                    self._settle()

    def result(self) -> dict[str, Any]:
        """Reads the topic to its end. `problems` are empty when all is as promised."""
        settings, sent, counters = self._settings, self._feeder.sent, self._topic.counters
        with contextlib.suppress(AssertionError):
            self._topic.read(sent, _SECONDS)
        lost, repeated = self._topic.missing(sent), self._topic.repeats
        disordered = sum(list(dict.fromkeys(counters[device])) != sorted(set(counters[device])) for device in sent)
        self._problems += [
            f"{each.event}: {each.seconds:.1f} s, promised: {each.limit:g} s"
            for each in self._happened
            if each.limit is not None and each.seconds > each.limit
        ]
        if lost:
            self._problems.append(f"{lost} events are lost")
        if disordered:
            self._problems.append(f"events of {disordered} devices are out of order")
        if repeated and settings.delivery == "exactly_once":
            self._problems.append(f"{repeated} events are repeated")
        return {
            "coordination": settings.coordination,
            "delivery": settings.delivery,
            "partitions": settings.partitions,
            "events": [asdict(each) for each in self._happened],
            "sent": sum(sent.values()),
            "lost": lost,
            "repeated": repeated,
            "devices_out_of_order": disordered,
            "problems": self._problems,
        }

    @contextlib.contextmanager
    def _telemetry(self) -> Iterator[None]:
        partitions = tuple(map(str, range(self._settings.partitions)))
        devices = load.telemetry(self._feeder, partitions, self._settings.rate)
        reading = load.Repeated("reading", lambda: self._topic.poll(0.4))
        devices.start()
        reading.start()
        try:
            yield
        finally:
            devices.finish()
            reading.finish()

    def _brokers(self) -> dict[int, float]:
        found = {}
        for number in range(1, self._settings.brokers + 1):
            with contextlib.suppress(ServiceError):  # it is down
                pid = self._kafka.pid(number)
                found[pid] = own_seconds(pid)
        return found

    def _leave(self, members: list[Node]) -> None:
        before, mine = self._nodes.levels(), partitions_of(members[0])
        began = time.monotonic()
        members[0].send_signal(signal.SIGTERM)
        seconds = self._nodes.wait_taken(before, mine, _SECONDS)
        code = members[0].join()
        if code != 0:
            self._problems.append(f"graceful leave: exit code {code}")
        self._nodes.wait_shared(*members[1:], seconds=_SECONDS)
        self._tell("graceful leave", seconds, members[1:], LEFT_SECONDS, f"all in {time.monotonic() - began:.1f} s")
        self._start_again(members)

    def _kill(self, members: list[Node]) -> None:
        self._taken("kill -9", members, Node.kill_all)
        self._start_again(members)

    def _start_again(self, members: list[Node]) -> None:
        members[0].start()
        self._tell("started again", self._nodes.wait_shared(*members, seconds=_SECONDS), members)

    def _freeze(self, members: list[Node]) -> None:
        self._away("freeze", members, Node.freeze, Node.wake)

    def _cuts(self, members: list[Node]) -> None:
        network = members[0].network
        if network is None:
            return
        for number, kind in enumerate(self._settings.cuts):
            if number:
                self._settle()

            def cut(_: Node, kind: str = kind) -> None:
                network.cut(kind)

            self._away(
                f"cut ({kind})",
                members,
                cut,
                lambda _: network.heal(),
                HEARD_SECONDS.get((self._settings.coordination, kind), 0),
            )

    def _away(
        self,
        what: str,
        members: list[Node],
        strike: Callable[[Node], object],
        back: Callable[[Node], object],
        later: float = 0,
    ) -> None:
        """A node that takes part in nothing for a while, and knows nothing of what the others do. `later`: seconds more than
        promised for others."""
        began = time.monotonic()
        self._taken(what, members, strike, later)
        self._wait(self._settings.away_seconds - (time.monotonic() - began))
        before = self._nodes.levels()
        back(members[0])
        self._tell(f"{what}: back", self._nodes.wait_shared(*members, seconds=_SECONDS), members)
        # Only what it is given back changes its reader.
        taken = sum((now or 0) - (before[each] or 0) for each, now in self._nodes.levels().items())
        if taken > members[0].owned:
            self._problems.append(
                f"{what}: when it was back, it took {taken - members[0].owned} partitions for a while"
            )

    def _taken(self, what: str, members: list[Node], strike: Callable[[Node], object], later: float = 0) -> None:
        before, mine = self._nodes.levels(), partitions_of(members[0])
        strike(members[0])
        seconds = self._nodes.wait_taken(before, mine, _SECONDS)
        self._nodes.wait_shared(*members[1:], seconds=_SECONDS)
        self._tell(what, seconds, members[1:], GONE_SECONDS[self._settings.coordination] + later)

    def _broker(self, members: list[Node]) -> None:
        if self._settings.brokers == 1:
            return
        self._kafka.kill(self._settings.brokers)
        self._wait(_BROKER_SECONDS)
        self._tell("a broker is down", _BROKER_SECONDS, members)
        self._kafka.restart(self._settings.brokers)
        self._tell("a broker is down: back", self._nodes.wait_shared(*members, seconds=_SECONDS), members)

    def _upgrade(self, members: list[Node]) -> None:
        began = time.monotonic()
        for node in members:
            code = node.close()
            if code != 0:
                self._problems.append(f"rolling restart: exit code {code}")
            node.start()
            self._nodes.wait_shared(*members, seconds=_SECONDS)
        self._tell("rolling restart of all", time.monotonic() - began, members)

    def _settle(self) -> None:
        self._wait(self._settings.settle_seconds)

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(AssertionError):
            wait_until(lambda: False, "time passes", seconds)

    def _tell(self, what: str, seconds: float, members: list[Node], limit: float | None = None, more: str = "") -> None:
        owned, used = [node.owned for node in members], self._cores.since()
        self._happened.append(Happened(what, round(seconds, 1), limit, owned, used))
        promised = f" (promised: {limit:g} s)" if limit else ""
        print(
            f"{what}: {seconds:.1f} s{promised}, partitions {owned}{', ' if more else ''}{more}; {cores.words(used)}",
            flush=True,
        )


def partitions_of(node: Node) -> list[str]:
    """Returns the partitions that the node reads."""
    _, text = node._get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith('ingest_process_up{role="source"')]
    return [line.split('slot="')[1].split('"')[0] for line in lines]
