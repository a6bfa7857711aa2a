"""One link to the service side of an IoT hub, over a connection of its own: from the dialing to the link's end.

Never blocks for longer than it is asked to: what a step needs of the hub is waited for in `work`.
"""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.auth.identity import iot_hub_claim
from ingest.hub.client.client import Client
from ingest.hub.client.manners import IOT_HUB
from ingest.hub.client.tokens import TokenKeeper
from ingest.hub.network.dialing_aside import Dialing
from ingest.hub.network.route import Route
from ingest.hub.service_errors import HubError
from ingest.hub.tls import iot_hub_context


class AnyLink(Protocol):
    error: HubError | None
    came_up: bool


L = TypeVar("L", bound=AnyLink)


class ServiceLink(Generic[L]):
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
        self.link: L | None = None
        """Once it is asked for."""
        self._hub = hub
        self._attach = attach
        self._idle_seconds = idle_seconds
        self._dialing: Dialing | None = Dialing(route, lambda: iot_hub_context(ca_file))
        self._client: Client | None = None
        self._tokens: TokenKeeper | None = None

    @property
    def came_up(self) -> bool:
        """Whether the hub has taken the link, also when it has ended since."""
        return self.link is not None and self.link.came_up

    @property
    def stage(self) -> str:
        """How far it has come, for people."""
        if self._client is None:
            return "connecting"
        if self._tokens is None:
            return "logging in"
        return "up" if self.came_up else "waiting for the token" if self.link is None else "waiting for the link"

    def work(self, seconds: float) -> None:
        """Sends what is due and takes what comes within `seconds`; returns as soon as something has.

        Raises HubError, in the hub's words where it gave any, NoToken, or OSError (NetworkFault) when the link is over.
        """
        if self._client is None:
            self._dial(seconds)
            return
        self._client.work(seconds)
        if self.link is not None and self.link.error is not None:
            raise self.link.error
        if self._tokens is None:
            if not self._client.advance():
                return
            claim = iot_hub_claim(self._hub)
            self._tokens = TokenKeeper(self._client, claim.audience, claim.make)
        self._tokens.tend()
        if self.link is None and self._tokens.granted:
            self.link = self._attach(self._client)

    def close(self) -> None:
        """Says good-bye where that is possible. Raises nothing."""
        if self._dialing is not None:
            self._dialing.give_up()
        if self._client is not None:
            self._client.close()

    def _dial(self, seconds: float) -> None:
        if self._dialing is None:
            raise HubError("", "the connection was closed from this side")
        stream = self._dialing.wait(seconds)
        if stream is None:
            return
        self._dialing = None
        self._client = Client(
            stream, self._hub.host, IOT_HUB, container_id=str(uuid.uuid4()), idle_seconds=self._idle_seconds
        )
        self._client.start()
