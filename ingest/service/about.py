"""What the status page tells of the node besides its metrics: where the data comes from and goes to. No secrets."""

import socket
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from ingest import __version__
from ingest.cluster.node import node_of
from ingest.config import Config
from ingest.metrics.status.document import About
from ingest.printable import printable

_STARTED: Final = time.time()


def about(
    config: Config, running: tuple[str, ...], members: Mapping[str, Collection[str]], stopping: bool = False
) -> About:
    """`running`: the command's directions. `members`: the nodes that share the hub, by their names in the group, and
    their partitions."""
    return About(
        node=socket.gethostname(),
        version=__version__,
        started=_STARTED,
        stopping=stopping,
        source=_source(config) if "source" in running and config.reads_telemetry else None,
        sink=_sink(config) if "sink" in running and config.sends_commands else None,
        cluster={"nodes": [_node(name, partitions) for name, partitions in sorted(members.items())]} if members else {},
    )


def _source(config: Config) -> dict[str, Any]:
    event_hub, iot_hub = config.hub.event_hub, config.hub.iot_hub
    host = event_hub.host if event_hub else iot_hub.host if iot_hub else None
    return {
        "hub": host,
        "event_hub": event_hub.event_hub if event_hub else None,
        "consumer_group": config.source.consumer_group,
        "topic": config.source.topic,
        "format": config.source.format,
        "delivery": config.source.delivery,
        "dead_letter_topic": config.source.dead_letter_topic,
        "kafka": config.kafka.bootstrap_servers,
    }


def _sink(config: Config) -> dict[str, Any]:
    hub = config.hub.iot_hub
    return {
        "hub": hub.host if hub else None,
        "topics": config.sink.topics,
        "group_id": config.sink.group_id,
        "dead_letter_topic": config.sink.dead_letter_topic,
        "feedback_topic": None if config.sink.ack == "none" else config.sink.feedback_topic,
        "kafka": config.kafka.bootstrap_servers,
    }


def _node(name: str, partitions: Collection[str]) -> dict[str, Any]:
    """One of another program has no address. In ownership blobs a node's name has one part more, new with each start."""
    node = node_of(name) or node_of(name.rpartition("/")[0])
    return {
        "node": printable(node.machine if node else name),
        "url": printable(f"http://{node.address}") if node else None,
        "partitions": list(partitions),
    }
