"""Who is in a consumer group, and what its members read, by the word of its coordinator."""

import struct
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

Place = tuple[str, int]
"""(topic, partition)"""


class Reader(NamedTuple):
    """One member of a group."""

    client_id: str
    host: str
    subscribed: frozenset[str]
    """Topics that it wants; empty while the group shares out its partitions."""
    holds: frozenset[str]
    """Topics of which it has partitions."""


def members(admin: "AdminClient", group: str, timeout: float) -> list[Any]:
    """Returns confluent-kafka's `GroupMember` of each. Raises KafkaException or RuntimeError if the cluster does not tell them
    within `timeout` seconds."""
    # Not describe_consumer_groups: librdkafka 2.16.0 aborts the process when brokers come back that were away during that
    # request (rd_kafka_enq_once_del_source_return).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found: list[Any] = admin.list_groups(group, timeout=timeout)
    return [member for each in found if each.id == group for member in each.members]


def readers(admin: "AdminClient", group: str, timeout: float) -> list[Reader]:
    """Returns the members; none if the cluster does not tell them within `timeout` seconds."""
    from confluent_kafka import KafkaException

    try:
        found = members(admin, group, timeout)
    except (KafkaException, RuntimeError):
        return []
    return [
        Reader(
            member.client_id,
            member.client_host.lstrip("/"),
            frozenset(topics(member.metadata or b"")),
            frozenset(topics(member.assignment or b"", partitions=True)),
        )
        for member in found
    ]


def topics(protocol: bytes, *, partitions: bool = False) -> list[str]:
    """Returns the topics of Kafka's ConsumerProtocolSubscription, or with `partitions` of a ConsumerProtocolAssignment;
    nothing if it cannot be read. Pure."""
    return [topic for topic, _ in _entries(protocol, partitions=partitions)]


def places(assignment: bytes) -> list[Place]:
    """Returns what a member is assigned, from Kafka's ConsumerProtocolAssignment; nothing if it cannot be read. Pure."""
    entries = _entries(assignment, partitions=True)
    return sorted((topic, number) for topic, numbers in entries for number in numbers)


def _entries(protocol: bytes, *, partitions: bool) -> list[tuple[str, tuple[int, ...]]]:
    try:
        return list(_read(protocol, partitions=partitions))
    except (struct.error, UnicodeDecodeError):
        return []


def _read(protocol: bytes, *, partitions: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Version, then topics, each with its partitions if those are there, then what does not matter here."""
    (count,) = struct.unpack_from(">i", protocol, 2)
    at = 6
    for _ in range(count):
        (length,) = struct.unpack_from(">h", protocol, at)
        at += 2 + length
        topic, numbers = struct.unpack_from(f"{length}s", protocol, at - length)[0].decode(), ()
        if partitions:
            (many,) = struct.unpack_from(">i", protocol, at)
            numbers = struct.unpack_from(f">{many}i", protocol, at + 4)
            at += 4 + 4 * many
        yield topic, numbers
