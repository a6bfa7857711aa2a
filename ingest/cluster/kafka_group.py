"""Kafka's group coordinator as coordination: the nodes are a consumer group over the topic of positions.

That topic has one partition for each of the hub's. Who is assigned its partition n reads the hub's partition n; the records
in it are not read here. The coordinator finds out who has died, by heartbeats that librdkafka sends from a thread of its own,
and no clock but the coordinator's decides.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ingest.cluster.changes import Changes
from ingest.cluster.contract import Change
from ingest.cluster.holders import Holders
from ingest.cluster.kafka_member import KafkaMember
from ingest.cluster.members import GroupMembers
from ingest.cluster.node import member_name, of_nodes
from ingest.config import Kafka
from ingest.kafka.client import STATISTICS_MS, settings
from ingest.timing import Deadline

DEFAULTS: Final[Mapping[str, Any]] = {
    # A killed node's partitions stand still for this long.
    "session.timeout.ms": 10_000,
    # At each heartbeat a node hears that others have come or gone.
    "heartbeat.interval.ms": 500,
    # How long the others wait for a node that is alive and does not let go.
    "max.poll.interval.ms": 60_000,
    "statistics.interval.ms": STATISTICS_MS,
}
"""The user's own settings go on top."""
NEEDED: Final[Mapping[str, Any]] = {
    # A partition moves without stopping the others.
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
}
"""These go on top of the user's."""


class KafkaGroup:
    """A `Coordination`. Its members' threads poll their consumers."""

    def __init__(self, kafka: Kafka, topic: str, group: str, client_id: str, weight: int = 1) -> None:
        """`weight`: the node is so many members. The assignors of librdkafka know no weights, and give each member an equal
        share."""
        common = {**settings(kafka), "client.id": client_id}
        chosen = {**DEFAULTS, **common, **NEEDED, "group.id": group}
        self._changes = Changes()
        self._holders = Holders()
        self._lock = threading.Lock()
        self._members = [
            KafkaMember({**chosen, "client.id": member_name(client_id, number)}, topic, partial(self._hear, number))
            for number in range(weight)
        ]
        self._look = GroupMembers(common, group, changed=self._changes.ring, useful=self._hears)

    @property
    def joined(self) -> bool:
        return all(member.joined for member in self._members)

    @property
    def rebalances(self) -> int:
        return max(member.rebalances for member in self._members)

    @property
    def trouble(self) -> str | None:
        return next(filter(None, (member.trouble for member in self._members)), None)

    @property
    def members(self) -> Mapping[str, Collection[str]] | None:
        found = self._look.members
        if found is None:
            return None
        return of_nodes({name: [str(number) for _, number in places] for name, places in found.items()})

    def start(self) -> None:
        # All at once, so that the group shares out once.
        for member in self._members:
            member.start()
        self._look.start()

    def fileno(self) -> int:
        return self._changes.fileno()

    def poll(self) -> Sequence[Change]:
        return self._changes.take()

    def release(self, partitions: Collection[str]) -> None:
        for member in self._members:
            member.release(partitions)

    def close(self) -> None:
        self._look.close()
        for member in self._members:
            member.close()

    def join(self, deadline: Deadline) -> bool:
        return all(member.join(deadline) for member in self._members)

    def _hears(self) -> bool:
        return self.joined and self.trouble is None

    def _hear(self, number: int, change: Change) -> None:
        """On any member's thread."""
        with self._lock:
            for each in self._holders.take(number, change):
                self._changes.put(each)
        self._look.soon()
