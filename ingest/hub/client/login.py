"""The way into a hub: from the dialing to the hub's yes to our token, and then a fresh token whenever one is due.

Never blocks for longer than it is asked to: what a step needs of the hub is waited for in `work`.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.hub.auth.contract import Claim
from ingest.hub.client.client import Client
from ingest.hub.client.manners import Manner
from ingest.hub.client.tokens import TokenKeeper
from ingest.hub.network.dialing_aside import Dialing
from ingest.hub.network.route import Route
from ingest.hub.service_errors import HubError
from ingest.timing import Deadline


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A side of a hub: how it is reached, and who we are there."""

    host: str
    route: Route
    context: Callable[[], ssl.SSLContext]
    """Whom to trust where there is TLS."""
    manner: Manner
    container_id: str
    claim: Claim
    """Who we are."""
    idle_seconds: float | None = None
    """A connection on which nothing comes for so long, not even an empty frame, is given up."""
    properties: Mapping[Any, Any] | None = None
    """What is said of this client when the connection is opened."""


class Login:
    """`work` again and again, `close`. One connection."""

    def __init__(self, entrance: Entrance) -> None:
        """Begins to dial. Raises RuntimeError when no thread can be started."""
        self.tokens: TokenKeeper | None = None
        """Once the session is there."""
        self._entrance = entrance
        self._dialing: Dialing | None = Dialing(entrance.route, entrance.context)
        self._client: Client | None = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def granted(self) -> bool:
        """Whether the hub has taken a token: links can be attached."""
        return self.tokens is not None and self.tokens.granted

    @property
    def client(self) -> Client:
        """Raises HubError before the connection is there."""
        if self._client is None:
            raise HubError("", "there is no connection yet")
        return self._client

    def work(self, seconds: float) -> None:
        """Sends what is due and takes what comes within `seconds`; returns as soon as something has.

        Raises HubError, in the hub's words where it gave any, NoToken, or OSError (NetworkFault) when the connection is
        over.
        """
        if self._client is None:
            self._dial(seconds)
            return
        self._client.work(seconds)
        self.tend()

    def tend(self) -> None:
        """Tells the hub a token when one is due; it goes out with what is sent next. Raises HubError or NoToken."""
        if self.tokens is None:
            if not self.client.advance():
                return
            self.tokens = TokenKeeper(self.client, self._entrance.claim)
        self.tokens.tend()

    def until_granted(self, deadline: Deadline) -> Client:
        """Works until links can be attached. Raises TimeoutError, or as `work`."""
        while not self.granted:
            if deadline.expired:
                raise TimeoutError(f"{self._entrance.host} has not let us in in time")
            self.work(deadline.remaining())
        return self.client

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
        self._dialing, entrance = None, self._entrance
        self._client = Client(
            stream,
            entrance.host,
            entrance.manner,
            container_id=entrance.container_id,
            idle_seconds=entrance.idle_seconds,
            properties=entrance.properties,
        )
        self._client.start()
