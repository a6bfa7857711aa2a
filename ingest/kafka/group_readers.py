"""Which topics the members of a consumer group read, by the word of its coordinator."""

import struct
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient


class Reader(NamedTuple):
    """One member of a group."""

    client_id: str
    host: str
    subscribed: frozenset[str]
    """Topics that it wants; empty while the group shares out its partitions."""
    holds: frozenset[str]
    """Topics of which it has partitions."""


def readers(admin: "AdminClient", group: str, timeout: float) -> list[Reader]:
    """Returns the members; none if the cluster does not tell them within `timeout` seconds."""
    from confluent_kafka import KafkaException

    try:
        # Not describe_consumer_groups: see ingest/cluster/members.py.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found: list[Any] = admin.list_groups(group, timeout=timeout)
    except (KafkaException, RuntimeError):
        return []
    return [
        Reader(
            member.client_id,
            member.client_host.lstrip("/"),
            frozenset(topics(member.metadata or b"")),
            frozenset(topics(member.assignment or b"", partitions=True)),
        )
        for each in found
        if each.id == group
        for member in each.members
    ]


def topics(protocol: bytes, *, partitions: bool = False) -> list[str]:
    """Returns the topics of Kafka's ConsumerProtocolSubscription, or with `partitions` of a ConsumerProtocolAssignment;
    nothing if it cannot be read. Pure."""
    try:
        return list(_topics(protocol, partitions=partitions))
    except (struct.error, UnicodeDecodeError):
        return []


def _topics(protocol: bytes, *, partitions: bool) -> Iterator[str]:
    (count,) = struct.unpack_from(">i", protocol, 2)  # after the version
    at = 6
    for _ in range(count):
        (length,) = struct.unpack_from(">h", protocol, at)
        at += 2 + length
        yield struct.unpack_from(f"{length}s", protocol, at - length)[0].decode()
        if partitions:
            (numbers,) = struct.unpack_from(">i", protocol, at)
            at += 4 + 4 * numbers
