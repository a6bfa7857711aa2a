"""This node's part of what the hub allows: one node of those that hold partitions of the command topics."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ingest.cluster.node import node_of
from ingest.config import Config, Kafka
from ingest.errors import IngestError
from ingest.logs import Repeated
from ingest.timing import Clock

if TYPE_CHECKING:
    from ingest.cluster.members import Members

AGAIN_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class Look(Protocol):
    """As `ingest.cluster.members.GroupMembers`."""

    @property
    def members(self) -> "Members | None": ...

    def poll(self) -> bool: ...


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
    """`poll` once per loop."""

    def __init__(self, look: Callable[[Place], Look] = group_look, clock: Clock = time.monotonic) -> None:
        self._open = look
        self._clock = clock
        self._place: Place | None = None
        self._look: Look | None = None
        self._not_before = 0.0
        self._repeated = Repeated()

    def poll(self, config: Config) -> int:
        """Returns how many nodes send commands, this one included; 1 unless nodes share."""
        if not config.cluster.shares:
            self._place = self._look = None
            return 1
        place = Place(config.kafka, config.sink.group_id)
        if place != self._place:
            self._place, self._look = place, self._open(place)
        if self._look is None:
            return 1
        if self._clock() >= self._not_before:
            try:
                self._look.poll()
            except IngestError as error:
                self._not_before = self._clock() + AGAIN_SECONDS
                if self._repeated.admit("look") is not None:
                    logger.warning("How many nodes send commands is not known: %s", error)
        return senders(self._look.members or {})


def senders(members: "Members") -> int:
    """Returns how many nodes hold partitions of command topics, at least 1. Pure."""
    nodes = {node_of(name) or name for name, places in members.items() if places}
    return max(1, len(nodes))
