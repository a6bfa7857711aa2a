"""Sinks of other hubs in the same consumer group: they would get commands for devices of this one, and this one theirs. Pure.

Each member says in its `client.id` for which hub it reads. One that joins looks before, and stays away from commands that
another hub's sink reads; two that join at once see each other afterwards, and one of them leaves.
"""

from collections.abc import Sequence, Set

from ingest.config.connection_strings import IotHubAddress
from ingest.kafka.group_readers import Reader

FIX = "give each hub a group and topics of its own, sink.group_id and sink.topics"
_AT = "@"
_OURS = "ingest"


def name_of(hub: IotHubAddress) -> str:
    """Returns the hub as its sinks write it."""
    return hub.host.lower() if hub.port is None else f"{hub.host.lower()}:{hub.port}"


def member_name(name: str, hub: IotHubAddress) -> str:
    """Returns the `client.id` of a member that is called `name`."""
    return f"{name}{_AT}{name_of(hub)}"


def hub_of(client_id: str) -> str | None:
    """Returns the hub of a member; None for one of another program."""
    return client_id.rpartition(_AT)[2] if client_id.startswith(_OURS) and _AT in client_id else None


def intruders(members: Sequence[Reader], hub: IotHubAddress, topics: Set[str]) -> list[Reader]:
    """Returns the sinks of other hubs that read one of these topics, or may: what they want is not known while the group
    shares out its partitions."""
    own = name_of(hub)
    return [
        each
        for each in members
        if hub_of(each.client_id) not in (None, own) and (not each.subscribed or each.subscribed & topics)
    ]


def must_leave(members: Sequence[Reader], hub: IotHubAddress, topics: Set[str], *, holds: bool) -> Reader | None:
    """Returns the sink of another hub that this one, already a member, must make way for. `holds`: whether this one has
    partitions. Of two that both have some, the one whose hub's name comes later leaves."""
    own = name_of(hub)
    for each in intruders(members, hub, topics):
        if each.holds & topics and (not holds or (hub_of(each.client_id) or "") < own):
            return each
    return None


def seen(group: str, other: Reader) -> str:
    """Returns what is wrong; FIX mends it."""
    return (
        f"the consumer group {group!r} has a sink of another hub, {hub_of(other.client_id)} (on {other.host}), and each would "
        "get commands for the other's devices"
    )


def words(group: str, other: Reader) -> str:
    """Returns what is wrong, and the fix."""
    return f"{seen(group, other)}: {FIX}"
