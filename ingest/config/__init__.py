"""The configuration: TOML file, environment and flags as typed, frozen objects; reports all errors at once, by key."""

from ingest.config.cluster import Cluster
from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.config.identity import Identity
from ingest.config.loading import load
from ingest.config.rendering import effective_toml, example_toml
from ingest.config.rules import Command, directions
from ingest.config.schema import Checkpoints, Config, Hub, Kafka, Metrics, Proxy, SchemaRegistry, Service, Sink
from ingest.config.source import Source
from ingest.config.values import At, Earliest, Latest, Offsets, Secret, Start

__all__ = [
    "At",
    "Checkpoints",
    "Cluster",
    "Command",
    "Config",
    "Earliest",
    "EventHubAddress",
    "Hub",
    "Identity",
    "IotHubAddress",
    "Kafka",
    "Latest",
    "Metrics",
    "Offsets",
    "Proxy",
    "SchemaRegistry",
    "Secret",
    "Service",
    "Sink",
    "Source",
    "Start",
    "directions",
    "effective_toml",
    "example_toml",
    "load",
]
