"""This node's part of what the hub allows: one node of those that hold partitions of the command topics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.cluster.node import node_of
from ingest.config import Config, Kafka

if TYPE_CHECKING:
    from ingest.cluster.members import Members


class Look(Protocol):
    """As `ingest.cluster.members.GroupMembers`."""

    @property
    def members(self) -> "Members | None": ...

    def start(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """The group of all sink processes, of all nodes."""

    kafka: Kafka
    group: str


def group_look(place: Place) -> Look:
    from ingest.cluster.members import GroupMembers  # librdkafka only where nodes share
    from ingest.kafka.client import settings

    return GroupMembers(settings(place.kafka), place.group)


class SinkShare:
    """`nodes` once per loop."""

    def __init__(self, look: Callable[[Place], Look] = group_look) -> None:
        self._open = look
        self._place: Place | None = None
        self._look: Look | None = None

    def nodes(self, config: Config) -> int:
        """Returns how many nodes send commands, this one included; 1 unless nodes share."""
        place = Place(config.kafka, config.sink.group_id) if config.cluster.shares else None
        if place != self._place:
            if self._look is not None:
                self._look.close()
            self._place, self._look = place, None if place is None else self._open(place)
            if self._look is not None:
                self._look.start()
        return senders(self._look.members or {}) if self._look is not None else 1


def senders(members: "Members") -> int:
    """Returns how many nodes hold partitions of command topics, at least 1. Pure."""
    nodes = {node_of(name) or name for name, places in members.items() if places}
    return max(1, len(nodes))
