"""One link to the service side of an IoT hub, over a connection of its own: from the dialing to the link's end."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth.identity import iot_hub_claim
from ingest.hub.client.client import Client
from ingest.hub.client.login import Entrance, Login
from ingest.hub.client.manners import IOT_HUB
from ingest.hub.network.route import Route
from ingest.hub.service_errors import HubError
from ingest.hub.tls import iot_hub_context


class AnyLink(Protocol):
    error: HubError | None
    came_up: bool


L = TypeVar("L", bound=AnyLink)


class ServiceLink(Login, Generic[L]):
    """`work` again and again, `close`."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        route: Route,
        attach: Callable[[Client], L],
        *,
        idle_seconds: float,
    ) -> None:
        """Begins to connect. `attach`: asks for the link, once the hub has taken the token. `idle_seconds`: a connection
        on which nothing comes for so long, not even an empty frame, is given up. Raises RuntimeError without a thread."""
        super().__init__(iot_hub_entrance(hub, ca_file, route, idle_seconds=idle_seconds))
        self.link: L | None = None
        """Once it is asked for."""
        self._attach = attach

    @property
    def came_up(self) -> bool:
        """Whether the hub has taken the link, also when it has ended since."""
        return self.link is not None and self.link.came_up

    @property
    def stage(self) -> str:
        """How far it has come, for people."""
        if not self.connected:
            return "connecting"
        if self.tokens is None:
            return "logging in"
        return "up" if self.came_up else "waiting for the token" if self.link is None else "waiting for the link"

    def work(self, seconds: float) -> None:
        """As `Login.work`; raises what has ended the link, too."""
        super().work(seconds)
        if self.link is not None and self.link.error is not None:
            raise self.link.error
        if self.link is None and self.granted:
            self.link = self._attach(self.client)


def iot_hub_entrance(
    hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float | None = None
) -> Entrance:
    """The way into the service side of the hub; `idle_seconds` as for `Entrance`."""
    return Entrance(
        host=hub.host,
        route=route,
        context=lambda: iot_hub_context(ca_file),
        manner=IOT_HUB,
        container_id=str(uuid.uuid4()),
        claim=iot_hub_claim(hub),
        idle_seconds=idle_seconds,
    )
