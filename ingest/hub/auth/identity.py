"""Whose token goes to which service: that of a connection string's key, or of the Entra identity where there is none."""

from typing import Any, Final

from ingest.config import Config
from ingest.config.connection_strings import EventHubAddress, IotHubAddress
from ingest.hub.auth import key
from ingest.hub.auth.contract import BEARER, EVENT_HUBS, IOT_HUB, JWT, STORAGE, Claim, Service, Token
from ingest.hub.auth.held import FIRST_SECONDS, HELD

WRONG_IOT_HUB_KEY: Final = "check policy, key and host name of hub.iot_hub_connection_string"
_WHERE: Final = "(portal → Access control); it takes some minutes to work"


def needed(config: Config) -> tuple[Service, ...]:
    """Returns the services that this configuration shows an identity to; none where all have keys."""
    if config.identity.auth == "key":
        return ()
    event_hub, iot_hub, checkpoints = config.hub.event_hub, config.hub.iot_hub, config.checkpoints
    wanted = {
        EVENT_HUBS: event_hub is not None and not event_hub.key,
        IOT_HUB: iot_hub is not None and not iot_hub.key,
        STORAGE: config.reads_telemetry and checkpoints.store == "blob" and bool(checkpoints.blob_account_url),
    }
    return tuple(service for service, is_wanted in wanted.items() if is_wanted)


def event_hub_claim(hub: EventHubAddress, audience: str, *, wait: float = 0.0) -> Claim:
    """Returns what a connection to the event hub shows for `audience`. `wait`: how long, in seconds, the first token of an
    identity may be waited for by `make`, for one who has no loop to keep going."""
    if hub.key:
        fix = "check policy, key and host name of hub.event_hub_connection_string"
        return Claim(audience, lambda: key.new_event_hub_token(hub, audience), fix)

    def make() -> Token:
        held = HELD.get(EVENT_HUBS, wait)
        return Token(held.text, held.seconds(), int(held.expires), JWT)

    return Claim(audience, make, f"give the identity the role {EVENT_HUBS.role} on the Event Hub {_WHERE}")


def iot_hub_claim(hub: IotHubAddress, *, wait: float = 0.0) -> Claim:
    """Returns what a connection to the service side of the hub shows; `wait` as for `event_hub_claim`."""
    if hub.key:
        return Claim(f"https://{hub.host}", lambda: key.new_iot_hub_token(hub), WRONG_IOT_HUB_KEY)

    def make() -> Token:
        held = HELD.get(IOT_HUB, wait)
        return Token(f"Bearer {held.text}", held.seconds(), kind=BEARER)

    return Claim(IOT_HUB.scope, make, f"give the identity the role {IOT_HUB.role} on the hub {_WHERE}")


class HeldCredential:
    """The held token of one service, for clients of Azure's libraries (`azure.core.credentials.TokenCredential`).

    `get_token` returns at once, but for the first token of a process, which it waits `FIRST_SECONDS` for: those clients
    are opened on threads of their own.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def get_token(self, *scopes: str, **_: Any) -> Any:
        """Returns an AccessToken. Raises NoToken."""
        from azure.core.credentials import AccessToken

        held = HELD.get(self._service, FIRST_SECONDS)
        return AccessToken(held.text, int(held.expires))

    def close(self) -> None:
        """Does nothing: there is no connection."""
