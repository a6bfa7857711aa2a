"""Where an IoT hub's events are: its service side redirects a link for them to the Event Hub-compatible endpoint.

Source: "Communicate with your IoT hub by using the AMQP Protocol", Microsoft Learn. The policy's key signs for both sides.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ingest.amqp.link import Detached
from ingest.amqp.performatives import Error
from ingest.config import Config, Secret
from ingest.config.connection_strings import IotHubAddress, event_hub
from ingest.config.values import BadValue, entity_name
from ingest.errors import ConfigError, Problem, Refused, Unreachable
from ingest.hub.client import manners
from ingest.hub.client.client import Client, hub_error
from ingest.hub.client.login import Login
from ingest.hub.client.service import iot_hub_entrance
from ingest.hub.network.route import AMQPS_PORT, iot_hub_route
from ingest.hub.service_errors import HubError, is_refusal, words
from ingest.timing import Deadline

ANSWER_SECONDS: Final = 10.0
REDIRECT: Final = "amqp:link:redirect"


class Endpoint(NamedTuple):
    """An Event Hub-compatible endpoint."""

    host: str
    """With its port, if that is not the usual one."""
    event_hub: str

    def __str__(self) -> str:
        return f"{self.event_hub} at {self.host}"


def connection_string(endpoint: Endpoint, hub: IotHubAddress) -> Secret:
    """Returns the connection string of the endpoint with the key of the hub's policy. Raises BadValue if there can be none
    such."""
    text = (
        f"Endpoint=sb://{endpoint.host}/;SharedAccessKeyName={hub.policy};SharedAccessKey={hub.key.reveal()};"
        f"EntityPath={endpoint.event_hub}"
    )
    found = event_hub(text)
    if found.event_hub != endpoint.event_hub or found.emulator:
        raise BadValue("not the name of an Event Hub")
    return Secret(text)


def ask(config: Config) -> Endpoint:
    """Asks the IoT hub, which takes `ANSWER_SECONDS` at most. Raises Refused (wrong key, unknown hub), Unreachable or
    ConfigError."""
    hub = config.hub.iot_hub
    if hub is None:
        raise ConfigError([Problem("hub.iot_hub_connection_string", "", "is needed to find the hub's events")])
    login = Login(iot_hub_entrance(hub, config.hub.ca_file, iot_hub_route(config, hub)))
    deadline = Deadline(ANSWER_SECONDS)
    try:
        client = login.until_granted(deadline)
        asked = _Asked(client, hub.host)
        client.until(lambda: asked.answered, deadline, "answered the question for its events")
        return redirected(asked.error, hub)
    except (HubError, OSError, Refused, Unreachable) as error:
        kind = Refused if isinstance(error, Refused) or is_refusal(error) else Unreachable
        raise kind(f"IoT Hub {hub.host} does not say where its events are: {words(error)}") from None
    finally:
        login.close()


class _Asked:
    """A link for the hub's events, which is refused with the place where they are."""

    def __init__(self, client: Client, host: str) -> None:
        self.answered = False
        self.error: Error | None = None
        link = client.session.attach_receiver(
            manners.whereabouts(host, client.container_id), handle=client.handles()[0]
        )
        client.own(link, self)

    def on(self, event: Any) -> None:
        if isinstance(event, Detached):
            self.answered, self.error = True, event.error


def redirected(error: Error | None, hub: IotHubAddress) -> Endpoint:
    """Reads where a link is sent to. Raises HubError if it is sent nowhere, or to no endpoint."""
    if error is None or error.condition != REDIRECT:
        raise hub_error(error, "the hub ended the link for its events without a word")
    info = {str(key): value for key, value in error.info.items()} if isinstance(error.info, dict) else {}
    try:
        url = urlsplit(str(info.get("address") or ""))
    except ValueError:
        raise HubError(REDIRECT, "the hub redirects to what is no address") from None
    host = info.get("hostname") or info.get("network-host") or url.hostname
    port = info.get("port") or AMQPS_PORT
    event_hub_name = url.path.strip("/").partition("/")[0]
    if not isinstance(host, str) or not isinstance(port, int):
        raise HubError(REDIRECT, "the hub redirects to no host")
    found = Endpoint(host if int(port) == AMQPS_PORT else f"{host}:{int(port)}", event_hub_name)
    try:
        entity_name(event_hub_name)
        connection_string(found, hub)
    except BadValue as bad:
        raise HubError(REDIRECT, f"the hub redirects to what is no Event Hub-compatible endpoint ({bad})") from None
    return found
