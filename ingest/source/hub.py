"""The hub as azure-eventhub's clients see it: how to make one, and what the hub says of itself."""

import time
from typing import TYPE_CHECKING, Any

from ingest.config import Config
from ingest.config.connection_strings import EventHubAddress
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.source.checkpoints import Scope
from ingest.source.conditions import link_ended

if TYPE_CHECKING:
    from azure.eventhub import EventHubConsumerClient

AUTH_SECONDS = 10.0


def address(config: Config) -> EventHubAddress:
    """Raises ConfigError when the connection string is not set."""
    found = config.hub.event_hub
    if found is None:
        raise ConfigError([Problem("hub.event_hub_connection_string", "", "is needed to read telemetry")])
    return found


def scope(config: Config) -> Scope:
    """Whose checkpoints these are."""
    hub = address(config)
    return Scope(hub.namespace, hub.event_hub, config.source.consumer_group)


def client(config: Config, **options: Any) -> "EventHubConsumerClient":
    """A consumer client that never retries by itself, so that every error reaches us at once."""
    from azure.eventhub import EventHubConsumerClient

    hub = address(config)
    if hub.port is not None and not hub.emulator:
        # With TLS the client drops a port in the endpoint in silence; a custom endpoint keeps it.
        options["custom_endpoint_address"] = f"sb://{hub.host}:{hub.port}"
    if config.hub.ca_file is not None:
        options["connection_verify"] = str(config.hub.ca_file)
    return EventHubConsumerClient.from_connection_string(
        config.hub.event_hub_connection_string.reveal(),
        config.source.consumer_group,
        eventhub_name=hub.event_hub,
        auth_timeout=AUTH_SECONDS,
        retry_total=0,
        **options,
    )


def partition_ids(config: Config) -> list[str]:
    """The hub's partitions. Raises Refused (wrong key, unknown hub) or Unreachable, in the service's words."""
    found: list[str] = _ask(config, lambda hub: list(hub.get_partition_ids()))
    return found


def newest_sequence_number(config: Config, partition: str) -> tuple[int, float]:
    """(sequence number of the partition's newest event, -1 when it never had one; monotonic time of the question)."""
    asked = time.monotonic()
    properties: dict[str, Any] = _ask(config, lambda hub: hub.get_partition_properties(partition))
    return int(properties["last_enqueued_sequence_number"]), asked


def _ask(config: Config, question: Any) -> Any:
    from ingest.source.management import OutspokenTransport

    with client(config, amqp_transport=OutspokenTransport) as hub:
        try:
            return question(hub)
        except Exception as error:
            ended = link_ended(error)
            kind = Refused if ended.verdict == "refused" else Unreachable
            raise kind(f"hub {address(config).namespace}: {ended}") from None
