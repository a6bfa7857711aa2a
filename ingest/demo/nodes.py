"""The ingest of a demo: one node, or several that share the hub, of which one is killed in the middle.

The first node sends the commands, too, and is never the one that is killed.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ingest.demo.figures import Figures, PartitionFigures
from ingest.demo.hub import CommandAccess
from ingest.demo.ingest_process import IngestProcess
from ingest.demo.plan import Plan
from ingest.errors import IngestError
from ingest.timing import Clock, Deadline

SHARED_SECONDS = 60.0
LOOK_SECONDS = 0.1


class Nodes:
    """`start`, `wait_until_ready`, `poll` often; `close` drains all, `join` waits for that."""

    def __init__(
        self,
        plan: Plan,
        hub_connection_string: str,
        commands: CommandAccess | None,
        kafka: str,
        folder: Path,
        clock: Clock = time.monotonic,
    ) -> None:
        self.takeover_seconds: float | None = None
        """From the kill of a node until others received all of its partitions; None before that, and with one node."""
        self._partitions = plan.partitions
        self._clock = clock
        self._nodes = [
            IngestProcess(
                hub_connection_string,
                commands if number == 0 else None,
                kafka,
                folder,
                plan.delivery,
                number=number,
                nodes=plan.nodes,
            )
            for number in range(plan.nodes)
        ]
        self._killed: IngestProcess | None = None
        self._killed_at = 0.0
        self._look_at = 0.0
        self._last: dict[IngestProcess, Figures] = {}

    @property
    def groups(self) -> list[int]:
        """The process groups of all nodes."""
        return [node.group for node in self._nodes]

    @property
    def settled(self) -> bool:
        """Whether a node was killed and its partitions are others' now; always with one node."""
        return len(self._nodes) == 1 or self.takeover_seconds is not None

    def start(self) -> None:
        for node in self._nodes:
            node.start()

    def wait_until_ready(self) -> None:
        """Raises IngestError if one ends, or they are not ready in time."""
        for node in self._nodes:
            node.wait_until_ready()
        deadline = Deadline(SHARED_SECONDS)
        while len(self._nodes) > 1 and not self._shared(self._nodes):
            if self.died(LOOK_SECONDS):
                raise IngestError(self.obituary())
            if deadline.expired:
                raise IngestError(
                    f"the nodes do not share all partitions after {SHARED_SECONDS:g} s. {self.last_words()}"
                )

    def poll(self, *, middle: bool, say: Callable[[str], None]) -> None:
        """Kills the last node once it is the `middle` of the demo, and notes when the others have its partitions."""
        now = self._clock()
        if self.settled or now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if self._killed is None and middle:
            self._killed, self._killed_at = self._nodes[-1], now
            self._killed.terminate()
            say(f"Killed one of {len(self._nodes)} nodes; Kafka gives its partitions to the others.")
        elif self._killed is not None and self._shared(self._living):
            self.takeover_seconds = self._clock() - self._killed_at
            say(f"The other nodes receive its partitions after {self.takeover_seconds:.1f} s.")

    def died(self, seconds: float = 0.0) -> bool:
        """Whether a node has ended that was not killed here, or ends within `seconds`."""
        return any(node.died(seconds if node is self._nodes[0] else 0.0) for node in self._living)

    def obituary(self) -> str:
        dead = next((node for node in self._living if node.died()), self._nodes[0])
        return dead.obituary()

    def last_words(self) -> str:
        return self._nodes[0].last_words()

    def figures(self) -> Figures | None:
        """Returns the figures of all nodes together; None if the metrics of one are unavailable."""
        for node in self._living:
            found = node.figures()
            if found is None:
                return None
            self._last[node] = found
        return merged(self._last.values())

    def close(self) -> None:
        for node in self._living:
            node.close()

    def terminate(self) -> None:
        for node in self._nodes:
            node.terminate()

    def join(self, deadline: Deadline) -> None:
        for node in self._nodes:
            node.join(deadline)

    @property
    def _living(self) -> list[IngestProcess]:
        return [node for node in self._nodes if node is not self._killed]

    def _shared(self, nodes: Iterable[IngestProcess]) -> bool:
        """Whether these nodes receive all partitions."""
        figures = [node.figures() if node.ready() else None for node in nodes]
        return sum(each.owned for each in figures if each is not None) == self._partitions and None not in figures


def merged(figures: Iterable[Figures]) -> Figures:
    """Returns the sums over all nodes; of a partition that has moved, what its last node says. Pure."""
    every = list(figures)
    if len(every) == 1:
        return every[0]
    partitions: dict[str, PartitionFigures] = {}
    for each in every:
        for name, one in each.partitions.items():
            other = partitions.get(name)
            partitions[name] = one if other is None else _joined(one, other)
    return Figures(
        dict(sorted(partitions.items(), key=lambda item: int(item[0]))),
        {name: worker for each in every for name, worker in each.workers.items()},
        restarts=sum(each.restarts for each in every),
        dead_letters=sum(each.dead_letters for each in every),
        owned=sum(each.owned for each in every),
    )


def _joined(one: PartitionFigures, other: PartitionFigures) -> PartitionFigures:
    last = max(one, other, key=lambda each: each.checkpoint_at or 0.0)
    return PartitionFigures(
        one.received + other.received, one.acked + other.acked, last.lag, last.checkpoint_at or None
    )
