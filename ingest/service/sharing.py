"""The processes of the partitions that a group of nodes gives to this one: they begin and end with it.

A partition that is lost is drained before it is let go of, so that the next node begins where this one has stopped; one that
is another's already loses its process at once.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ingest.cluster.contract import Change, Coordination
from ingest.cluster.share import Share
from ingest.config import Checkpoints, Config, Kafka, Proxy
from ingest.logs import Repeated
from ingest.metrics.cluster import (
    CLUSTER_MEMBERS,
    CLUSTER_OWNED,
    CLUSTER_PARTITIONS,
    CLUSTER_REBALANCES,
    CLUSTER_TAKE_OVER,
)
from ingest.metrics.meter import Histogram, Meter
from ingest.metrics.registry import Registry
from ingest.process.supervised import SupervisedProcess
from ingest.service.partition_watch import REPORT_SECONDS
from ingest.service.roles import Found, Role
from ingest.timing import Clock, Deadline

DRAIN_SECONDS: Final = 5.0
"""For a partition that another node waits for."""
FRESH_SECONDS: Final = 60.0
"""How long after a discovery its word on the hub counts. What it found of Kafka's topics counts for the first life of each
process: a wrong limit is corrected by the next."""
STARTING: Final = "this node was given the partition; it starts"
_OWNER: Final = ("cluster", "0")
_WORDS: Final = {
    "gained": "This node was given",
    "lost": "This node hands over",
    "stolen": "Other nodes have taken",
}

logger = logging.getLogger(__name__)


class Service(Protocol):
    """The supervisor, and its processes."""

    slots: list[SupervisedProcess]

    @property
    def may_start(self) -> bool:
        """Whether processes may be started now."""

    def ending(self, role: str) -> Collection[str]:
        """Returns the slots of a role whose process was told to end for good, and has not ended."""

    def add(
        self, role: Role, names: Iterable[str], found: Found, shared: Mapping[str, str], *, starting: str = ...
    ) -> None: ...

    def retire(self, role: str, name: str, seconds: float) -> None:
        """Drains and ends its process within `seconds`."""

    def expel(self, role: str, name: str) -> None:
        """Ends its process at once: it saves nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a group: whatever differs here is another place."""

    coordination: str
    kafka: Kafka
    topic: str
    checkpoints: Checkpoints
    proxy: Proxy
    group: str
    client_id: str
    weight: int = 1


def joined(place: Place, partitions: Sequence[str]) -> Coordination:
    """Returns the coordination of a place, not started. `partitions` of the hub can become more later."""
    # Each with its client only where it is wanted.
    if place.coordination == "kafka":
        from ingest.cluster.kafka_group import KafkaGroup

        return KafkaGroup(place.kafka, place.topic, place.group, place.client_id, place.weight)
    from ingest.cluster.blob_group import BlobGroup
    from ingest.cluster.ownership_blobs import OwnershipBlobs

    folder = place.group.partition("/")[2]
    return BlobGroup(OwnershipBlobs(place.checkpoints, place.proxy, folder), partitions, place.client_id, place.weight)


class Sharing:
    """`begin` after each discovery, `poll` once per loop, `leave`. Does nothing unless `begin` has joined a group."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        join: Callable[[Place, Sequence[str]], Coordination] = joined,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._join = join
        self._place: Place | None = None
        self._group: Coordination | None = None
        self._share = Share()
        self._all: list[str] = []
        """The hub's partitions."""
        self._found: Mapping[str, Any] = {}
        self._found_at = 0.0
        self._awaited: dict[str, float] = {}
        """Partition that this node was given → when, until its process is ready."""
        self._take_overs = Histogram(CLUSTER_TAKE_OVER.buckets)
        self._meter = Meter()
        self._no_place = ""
        """Why no node can read some of the partitions; empty if each can be some node's."""
        self._repeated = Repeated(REPORT_SECONDS)

    @property
    def active(self) -> bool:
        """Whether this node shares the hub's partitions with others."""
        return self._group is not None

    def handles(self) -> list[Any]:
        """Returns what the supervisor's loop waits on."""
        return [self._group] if self._group is not None else []

    def begin(self, config: Config, found: Found, client_id: str) -> list[str]:
        """Joins the group, or stays in it if it is the same. Returns the partitions that are this node's already."""
        place = Place(
            config.cluster.coordination,
            config.kafka,
            config.source.position_topic,
            config.checkpoints,
            config.proxy,
            found["group"],
            client_id,
            config.cluster.weight,
        )
        self._all[:] = found["partitions"]
        self._found, self._found_at = found, self._clock()
        if place != self._place:
            self.leave()
            self._place, self._group = place, self._join(place, self._all)
            self._group.start()
            logger.info("The %d partitions of the hub are shared in the group %s.", len(self._all), place.group)
        self.hear(found)
        return self._share.held

    def placed(self, partitions: Sequence[str]) -> Sequence[str]:
        """Returns those of the hub's partitions about which nothing is left to ask: none while some have no place in the topic
        by which the nodes share."""
        return [] if self._no_place else partitions

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Takes an answer of `ingest.source.discover`: whether the topic by which the nodes share has grown with the hub."""
        if "trouble" in answer or self._group is None:
            return
        before, self._no_place = self._no_place, (answer.get("no_place") or "").rstrip(".")
        if self._no_place and self._repeated.admit("place") is not None:
            logger.warning("No node can read some of the hub's partitions: %s.", self._no_place)
        if before and not self._no_place:
            logger.info("All partitions of the hub can be read by some node again.")

    def grown(self, partitions: Iterable[str], facts: Found) -> None:
        """Takes partitions that the hub was given: the nodes share them, too."""
        self._all += [each for each in partitions if each not in self._all]
        self._found, self._found_at = {**self._found, **facts}, self._clock()

    def poll(self, service: Service, role: Role) -> None:
        """Starts and ends the role's processes as the group says."""
        if self._group is None:
            return
        for change in self._group.poll():
            self._take(change)
        running = {slot.task.slot: slot for slot in service.slots if slot.task.role == role.name}
        orders = self._share.orders(running.keys(), set(service.ending(role.name)))
        for partition in orders.kill:
            service.expel(role.name, partition)
        for partition in orders.retire:
            service.retire(role.name, partition, DRAIN_SECONDS)
        if orders.release:
            self._group.release(orders.release)
        start = [each for each in orders.start if each in self._all] if service.may_start else []
        if start:
            found = dict(self._found)
            if self._clock() - self._found_at > FRESH_SECONDS:
                found.pop("created_ms", None)  # the hub can have been created anew, and they ask it themselves
            began = self._clock()
            service.add(role, start, found, {}, starting=STARTING)
            logger.debug("%d processes were begun in %.2f s.", len(start), self._clock() - began)
        self._measure(running)

    def leave(self, seconds: float = 0.0) -> None:
        """Leaves the group, and waits up to `seconds` until that is told. Nothing of this node may read any more."""
        if self._group is None:
            return
        self._group.close()
        if not self._group.join(Deadline(seconds)) and seconds:
            logger.warning("Kafka has not heard that this node leaves: the others wait until its session runs out.")
        self._group = self._place = None
        self._share, self._meter, self._take_overs = Share(), Meter(), Histogram(CLUSTER_TAKE_OVER.buckets)
        self._no_place = ""
        self._awaited.clear()
        self._registry.forget(_OWNER)

    def unready(self) -> list[str]:
        """Returns why this node does not know its partitions; empty while it does, even if they are none."""
        group = self._group  # also read by the threads of the metrics port
        if group is None or group.joined:
            return []
        return [f"cluster: {group.trouble or 'joining the nodes that share the partitions'}"]

    @property
    def words(self) -> str | None:
        """How much of the hub is this node's: `11 of 32 partitions, 3 nodes`; None if all of it always is."""
        group = self._group
        if group is None:
            return None
        members = group.members
        nodes = f", {len(members)} node{'s' * (len(members) != 1)}" if members else ""
        nobody = f"; nobody can read some: {self._no_place}" if self._no_place else ""
        return f"{self._owned} of {len(self._all)} partitions{nodes}{nobody}"

    @property
    def members(self) -> Mapping[str, Collection[str]]:
        """Node → its partitions; empty if unknown."""
        group = self._group
        return (group.members or {}) if group is not None else {}

    @property
    def _owned(self) -> int:
        """How many of the hub's partitions are this node's; the topic can have more."""
        return len(self._share.owned & set(self._all))

    def _take(self, change: Change) -> None:
        self._share.take(change)
        if change.kind == "gained":
            self._awaited |= dict.fromkeys(change.partitions, self._clock())
        else:
            for partition in change.partitions:
                self._awaited.pop(partition, None)
        if change.partitions:
            logger.info("%s: partitions %s.", _WORDS[change.kind], ", ".join(change.partitions))

    def _measure(self, running: Mapping[str, SupervisedProcess]) -> None:
        group, place = self._group, self._place
        if group is None or place is None:
            return
        now = self._clock()
        for partition in list(self._awaited):
            process = running.get(partition)
            if process is not None and process.ready:
                self._take_overs.observe(now - self._awaited.pop(partition))
        self._meter.gauge(CLUSTER_PARTITIONS, len(self._all), place.group)
        self._meter.gauge(CLUSTER_OWNED, self._owned, place.group)
        if group.members is not None:
            self._meter.gauge(CLUSTER_MEMBERS, len(group.members), place.group)
        self._meter.total(CLUSTER_REBALANCES, group.rebalances, place.group)
        self._meter.histogram(CLUSTER_TAKE_OVER, self._take_overs, place.group)
        self._registry.apply(self._meter.changes(), _OWNER)
        self._meter.sent()
