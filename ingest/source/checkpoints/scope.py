"""Whose checkpoints a configuration means."""

from ingest.config import Config
from ingest.hub.event_hubs import address
from ingest.source.checkpoints import Scope
from ingest.source.checkpoints.position_record import ID_PREFIX


def scope(config: Config) -> Scope:
    """Returns the scope of the configuration."""
    hub = address(config)
    return Scope(hub.namespace, hub.event_hub, config.source.consumer_group)


def group_id(scope: Scope) -> str:
    """Returns the name of the group in which nodes share the partitions: the same for all that read this hub as this
    consumer group."""
    return f"{ID_PREFIX}{scope.namespace}/{scope.event_hub}/{scope.consumer_group}".lower()
