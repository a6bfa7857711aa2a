"""The topic of positions (`source.position_topic`): compacted, with a partition for each of the hub's.

One partition each, as a reader of committed records waits for every open transaction of the partition that it reads: it would
miss a position behind another process's transaction.
"""

from collections.abc import Iterable, Mapping
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
        f"topic {name!r} has {found} partition{'s' * (found != 1)}, and the hub's partitions need {wanted}, as each keeps its "
        f"position in one of its own: kafka-topics.sh --alter --topic {name} --partitions {wanted}"
    )


def check_position_topic(kafka: Kafka, name: str, wanted: int, timeout: float) -> int:
    """Checks that the topic exists with `wanted` partitions or more, and returns how many it has; `timeout` in seconds.

    Raises Refused, or Unreachable if no broker answers. Never makes the topic: a broker that makes topics on first use would not
    compact it.
    """
    found = Topics(settings(kafka)).find(name, timeout)
    trouble = too_few(name, found, wanted)
    if trouble is not None:
        raise Refused(trouble)
    return found
