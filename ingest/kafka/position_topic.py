"""The topic of positions (`source.position_topic`): compacted, with a partition for each of the hub's.

One partition each, as a reader of committed records waits for every open transaction of the partition that it reads: it would
miss a position behind another process's transaction.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.config import Kafka
from ingest.errors import Refused
from ingest.kafka.admin import Topics, TopicSpec
from ingest.kafka.client import settings

SETTINGS: Final[Mapping[str, str]] = {
    "cleanup.policy": "compact",
    # Small segments, soon closed: only closed ones are compacted, and each start reads the end of a partition.
    "segment.ms": "3600000",
    "segment.bytes": str(16 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}
"""Of the topic, under Kafka's own names."""
POLICY: Final = "cleanup.policy"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """What was found out about the topic."""

    partitions: int
    wrong: str | None = None
    """What is wrong, and the fix, if these are too few."""


def position_topic(name: str, partitions: int, replication_factor: int = -1) -> TopicSpec:
    """Returns the topic for a hub with this many partitions. `replication_factor`: -1 is the broker's default."""
    return TopicSpec(name, partitions, replication_factor, SETTINGS)


def number_of(partition: str) -> int:
    """Returns the topic's partition for one of the hub's. Raises Refused if the hub does not number them."""
    if not (partition.isascii() and partition.isdecimal()):
        raise Refused(
            f"the hub calls a partition {partition!r}, which is no number, so its position has no place in "
            'source.position_topic: write source.delivery = "at_least_once"'
        )
    return int(partition)


def needed(partitions: Iterable[str]) -> int:
    """Returns how many partitions the topic needs for these of the hub. Raises Refused as `number_of`."""
    return max((number_of(partition) + 1 for partition in partitions), default=1)


def too_few(name: str, found: int, wanted: int) -> str | None:
    """Returns what is wrong with a topic of `found` partitions, and the fix; None if there are enough."""
    if found >= wanted:
        return None
    return (
        f"topic {name!r} has {found} partition{'s' * (found != 1)}, and the hub's partitions need {wanted}, as each has a place "
        f"of its own in it: `ingest topics create -c FILE`, or kafka-topics.sh --alter --topic {name} --partitions {wanted}"
    )


def uncompacted(name: str, policy: str | None) -> tuple[str, str] | None:
    """Returns what is wrong with a topic of this cleanup.policy, and the fix; None if nothing is, or if the policy is unknown
    (None)."""
    if policy is None or policy == SETTINGS[POLICY]:
        return None
    return (
        f"{POLICY} is {policy}: Kafka deletes the position of a partition that is quiet for long",
        f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {POLICY}={SETTINGS[POLICY]}",
    )


def make_room(kafka: Kafka, name: str, wanted: int, timeout: float, *, grows: bool = True) -> Room:
    """Gives the topic more partitions if it has fewer than `wanted`; `timeout` in seconds, for each of a few questions.

    It stays as it is where the cluster does not let this user, where it is not compacted, so that it is hardly ours, and with
    `grows` false; else the log tells of one that is not compacted. Raises Refused if there is no such topic, Unreachable if no
    broker answers. Never makes the topic: a broker that makes topics on first use would not compact it.
    """
    topics = Topics(settings(kafka))
    found = topics.describe(name, timeout)
    wrong = too_few(name, found, wanted)
    if not grows:
        return Room(found, wrong)
    policy = topics.setting(name, POLICY, timeout)
    deletes = uncompacted(name, policy)
    if deletes is not None:
        logger.warning("The topic %s: %s. Change it: %s", name, *deletes)
    if wrong is None:
        return Room(found)
    if policy != SETTINGS[POLICY]:
        return Room(found, f"topic {name!r} is not known to be compacted, so ingest does not change it; {wrong}")
    try:
        topics.grow(name, wanted, timeout)
    except Refused as error:
        return Room(found, f"{str(error).rstrip('.')}; {wrong}")
    logger.info("The topic %s was given %d partitions, as the hub has more than the %d it had.", name, wanted, found)
    return Room(wanted)
