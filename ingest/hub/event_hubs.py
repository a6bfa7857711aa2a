"""The hub as azure-eventhub's clients see it: how to make one, and what the hub says of itself."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ingest.config import Config
from ingest.config.connection_strings import EventHubAddress
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.hub.auth.contract import EVENT_HUBS
from ingest.hub.auth.identity import HeldCredential
from ingest.hub.link_errors import link_ended
from ingest.hub.network.route import Route, event_hub_route
from ingest.hub.standing import Standing
from ingest.hub.tls import event_hub_context

if TYPE_CHECKING:
    from azure.eventhub import EventHubConsumerClient

AUTH_SECONDS = 10.0
ANSWER_SECONDS = 10.0
"""A question that the hub has not answered by then is given up: below the 15 s after which a process without a heartbeat is
replaced."""
IDLE_SECONDS = 60.0
"""A link on which nothing comes for so long, not even an empty frame, is given up. Told to the hub when it is opened; the
stock clients of .NET, Go and JavaScript tell it the same."""


def address(config: Config) -> EventHubAddress:
    """Raises ConfigError when the connection string is not set."""
    found = config.hub.event_hub
    if found is None:
        raise ConfigError([Problem("hub.event_hub_connection_string", "", "is needed to read telemetry")])
    return found


def way(config: Config) -> tuple[Route, Callable[[], ssl.SSLContext]]:
    """How the hub is reached, and whom is trusted where that is with TLS. Raises ConfigError as `address`."""
    return event_hub_route(config, address(config)), partial(event_hub_context, config.hub.ca_file)


def client(config: Config, **options: Any) -> "EventHubConsumerClient":
    """A consumer client that never retries by itself, so that every error reaches us at once. Its connections go the `way`;
    `amqp_transport`, where it is given, is a RoutedTransport."""
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
        credential: Any = HeldCredential(EVENT_HUBS)
        return EventHubConsumerClient(hub.host, hub.event_hub, config.source.consumer_group, credential, **options)
    return EventHubConsumerClient.from_connection_string(
        config.hub.event_hub_connection_string.reveal(),
        config.source.consumer_group,
        eventhub_name=hub.event_hub,
        **options,
    )


@dataclass(frozen=True, slots=True)
class Description:
    """What the hub says of itself (`$management`, READ of com.microsoft:eventhub)."""

    partition_ids: list[str]
    created_ms: int
    """When it was made, Unix milliseconds."""


def describe(config: Config) -> Description:
    """Raises Refused (wrong key, unknown hub) or Unreachable, in the service's words."""

    def ask(hub: "EventHubConsumerClient") -> Description:
        told = hub.get_eventhub_properties()
        return Description(list(told["partition_ids"]), _unix_ms(told["created_at"]))

    found: Description = _ask(config, ask)
    return found


def partition_ids(config: Config) -> list[str]:
    """The hub's partitions. Errors as `describe`."""
    return describe(config).partition_ids


def standing(config: Config, partition: str, *, created: bool = False) -> Standing:
    """Where the hub stands with a partition, and with `created` when it was made, too, which is another request. Errors as
    `describe`."""
    asked = time.monotonic()

    def ask(hub: "EventHubConsumerClient") -> Standing:
        made = _unix_ms(hub.get_eventhub_properties()["created_at"]) if created else None
        told: dict[str, Any] = hub.get_partition_properties(partition)
        return Standing(
            oldest=int(told["beginning_sequence_number"]),
            newest=int(told["last_enqueued_sequence_number"]),
            newest_offset=str(told["last_enqueued_offset"]),
            newest_ms=_unix_ms(told["last_enqueued_time_utc"]),
            empty=bool(told["is_empty"]),
            asked_at=asked,
            created_ms=made,
        )

    found: Standing = _ask(config, ask)
    return found


def _unix_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _ask(config: Config, question: Any) -> Any:
    from ingest.hub.management import OutspokenTransport

    hub, parts = address(config), OutspokenTransport(*way(config))
    answers: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with client(config, amqp_transport=parts) as asked:
                answers.append(question(asked))
        except BaseException as error:
            errors.append(error)

    # On a thread of its own: names, connections and answers may take for ever.
    thread = threading.Thread(target=run, name="hub-request", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if answers:
        return answers[0]
    if not errors:
        parts.give_up()
        raise Unreachable(f"hub {hub.namespace}: no answer from {hub.host} within {ANSWER_SECONDS:g} s")
    ended = link_ended(errors[0])
    kind = Refused if ended.verdict == "refused" else Unreachable
    raise kind(f"hub {hub.namespace}: {ended}") from None
