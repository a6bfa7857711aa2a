"""An event hub as all see it: the way to it, who we are there, and what it says of itself."""

import ssl
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.config import Config
from ingest.config.connection_strings import EventHubAddress
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.hub.auth.contract import EVENT_HUBS as SERVICE
from ingest.hub.auth.held import FIRST_SECONDS
from ingest.hub.auth.identity import HeldCredential, event_hub_claim
from ingest.hub.client.login import Entrance
from ingest.hub.client.manners import EVENT_HUBS, event_hubs_properties
from ingest.hub.link_errors import link_ended
from ingest.hub.management import Description, Questions
from ingest.hub.network.route import Route, event_hub_route
from ingest.hub.standing import Standing
from ingest.hub.tls import event_hub_context

if TYPE_CHECKING:
    from azure.eventhub import EventHubConsumerClient

__all__ = ["Description"]

KEY = "hub.event_hub_connection_string"
AUTH_SECONDS = 10.0
ANSWER_SECONDS = 10.0
"""A question that the hub has not answered by then is given up: below the 15 s after which a process without a heartbeat is
replaced."""
AT_ONCE = 16
"""Questions for which ANSWER_SECONDS is enough."""
IDLE_SECONDS = 60.0
"""A link on which nothing comes for so long, not even an empty frame, is given up. Told to the hub when it is opened; the
stock clients of .NET, Go and JavaScript tell it the same."""

T = TypeVar("T")


def address(config: Config) -> EventHubAddress:
    """Raises ConfigError when the connection string is not set."""
    found = config.hub.event_hub
    if found is None:
        raise ConfigError([Problem(KEY, "", "is needed to read telemetry")])
    return found


def way(config: Config) -> tuple[Route, Callable[[], ssl.SSLContext]]:
    """How the hub is reached, and whom is trusted where that is with TLS. Raises ConfigError as `address`."""
    return event_hub_route(config, address(config)), partial(event_hub_context, config.hub.ca_file)


def entrance(config: Config) -> Entrance:
    """The way into the hub for who asks questions. Raises ConfigError as `address`."""
    return _entrance(config, "", str(uuid.uuid4()), wait=FIRST_SECONDS)


def reader_entrance(config: Config, name: str) -> Entrance:
    """The way into the hub for who reads events in the consumer group of the configuration, and is called `name` there.

    Raises ConfigError as `address`.
    """
    group = f"/consumergroups/{config.source.consumer_group}"
    return _entrance(config, group, name, idle_seconds=IDLE_SECONDS, properties=event_hubs_properties())


def _entrance(config: Config, within: str, name: str, *, wait: float = 0.0, **more: Any) -> Entrance:
    hub, (route, context) = address(config), way(config)
    return Entrance(
        host=hub.host,
        route=route,
        context=context,
        manner=EVENT_HUBS,
        container_id=name,
        claim=event_hub_claim(hub, f"sb://{_place(hub)}{within}", wait=wait),
        **more,
    )


def partition_address(config: Config, partition: str) -> str:
    """What a link for the partition's events names as its source."""
    return f"amqps://{_place(address(config))}/ConsumerGroups/{config.source.consumer_group}/Partitions/{partition}"


def _place(hub: EventHubAddress) -> str:
    return f"{hub.host}{f':{hub.port}' if hub.port else ''}/{hub.event_hub}"


def client(config: Config, **options: Any) -> "EventHubConsumerClient":
    """azure-eventhub's own client, which never retries by itself, so that every error reaches us at once. Its connections go
    the `way`; `amqp_transport`, where it is given, is a RoutedTransport."""
    from azure.eventhub import EventHubConsumerClient

    from ingest.hub.network.eventhub_client import RoutedTransport

    hub = address(config)
    options = {
        "amqp_transport": RoutedTransport(*way(config)),
        "auth_timeout": AUTH_SECONDS,
        "idle_timeout": IDLE_SECONDS,
        "retry_total": 0,
        **options,
    }
    if not hub.key:
        credential: Any = HeldCredential(SERVICE)
        return EventHubConsumerClient(hub.host, hub.event_hub, config.source.consumer_group, credential, **options)
    return EventHubConsumerClient.from_connection_string(
        config.hub.event_hub_connection_string.reveal(),
        config.source.consumer_group,
        eventhub_name=hub.event_hub,
        **options,
    )


def describe(config: Config) -> Description:
    """Raises Refused (wrong key, unknown hub) or Unreachable, in the service's words."""
    return _ask(config, lambda questions: questions.hub())


def partition_ids(config: Config) -> list[str]:
    """The hub's partitions. Errors as `describe`."""
    return describe(config).partition_ids


def standing(config: Config, partition: str, *, created: bool = False) -> Standing:
    """Where the hub stands with a partition, and with `created` when it was made, too, which is another request. Errors as
    `describe`."""

    def ask(questions: Questions) -> Standing:
        return questions.partition(partition, created_ms=questions.hub().created_ms if created else None)

    return _ask(config, ask)


def standings(config: Config, partitions: Sequence[str]) -> dict[str, Standing]:
    """Where the hub stands with each of these partitions. Errors as `describe`."""
    found: dict[str, Standing] = {}

    def ask(questions: Questions) -> None:
        found.update({each: questions.partition(each) for each in some})

    for begin in range(0, len(partitions), AT_ONCE):
        some = partitions[begin : begin + AT_ONCE]
        _ask(config, ask)
    return found


def questions(config: Config) -> Questions:
    """To the hub, for who wants more than one answer; given up after ANSWER_SECONDS. Raises ConfigError as `address`."""
    return Questions(entrance(config), address(config).event_hub, ANSWER_SECONDS)


def _ask(config: Config, ask: Callable[[Questions], T]) -> T:
    hub = address(config)
    try:
        with questions(config) as asked:
            return ask(asked)
    except Exception as error:
        ended = link_ended(error)
        kind = Refused if ended.verdict == "refused" else Unreachable
        raise kind(f"hub {hub.namespace}: {ended}") from None
