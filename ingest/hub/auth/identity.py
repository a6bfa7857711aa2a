"""Whose token goes to which service: that of a connection string's key, or of the Entra identity where there is none."""

from typing import Any

from ingest.config import Config
from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth import key
from ingest.hub.auth.contract import BEARER, EVENT_HUBS, IOT_HUB, JWT, STORAGE, Claim, Service, Token
from ingest.hub.auth.held import FIRST_SECONDS, HELD


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


def event_hub_token() -> Token:
    """Returns the identity's token for Event Hubs, at once. Raises NoToken."""
    held = HELD.get(EVENT_HUBS)
    return Token(held.text, held.seconds(), JWT, int(held.expires))


def iot_hub_claim(hub: IotHubAddress) -> Claim:
    """Returns what a connection to the service side of the hub shows."""
    if hub.key:
        return Claim(f"https://{hub.host}", lambda: key.service_token(hub))
    return Claim(IOT_HUB.scope, _bearer)


def _bearer() -> Token:
    held = HELD.get(IOT_HUB)
    return Token(f"Bearer {held.text}", held.seconds(), BEARER)


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
