"""Whose checkpoints a configuration means."""

from ingest.config import Config
from ingest.hub.event_hubs import address
from ingest.source.checkpoints import Scope


def scope(config: Config) -> Scope:
    """Returns the scope of the configuration."""
    hub = address(config)
    return Scope(hub.namespace, hub.event_hub, config.source.consumer_group)
