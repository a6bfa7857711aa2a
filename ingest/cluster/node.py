"""The name under which a node appears in its group: this machine's, and where its metrics are served. Pure but for the
machine's name."""

import re
import socket
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from ingest.address import before_port

_MOST: Final = 60
_MEMBER: Final = re.compile(r"^(ingest/.+)/[0-9]+$")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._:\[\]-]")


class Node(NamedTuple):
    """One node of a group."""

    machine: str
    address: str
    """host:port of its metrics, as it listens: reachable from elsewhere unless that is a loopback address."""


def client_id(host: str, port: int) -> str:
    """Returns Kafka's `client.id` of the node with this address of its metrics."""
    machine = socket.gethostname()
    shown = machine if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"ingest/{_plain(machine)}/{before_port(_plain(shown))}:{port}"


def node_of(name: str) -> Node | None:
    """Returns the node of a `client_id`, whatever of the node it is; None for one of another program."""
    match name.split("/"):
        case ["ingest", machine, address, *_]:
            return Node(machine, address)
    return None


def member_name(name: str, number: int) -> str:
    """Returns the name of one of several members that are the same node; the first one has the node's own."""
    return name if number == 0 else f"{name}/{number + 1}"


def of_nodes(shares: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Returns node → its partitions, from member → its partitions: those of one node, by `member_name`, count as one."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for name, partitions in shares.items():
        nodes[_MEMBER.sub(r"\1", name)] += partitions
    return dict(nodes)


def _plain(text: str) -> str:
    """A part of a name that every tool of Kafka shows as it is."""
    return _NOT_PLAIN.sub("-", text)[:_MOST] or "-"
