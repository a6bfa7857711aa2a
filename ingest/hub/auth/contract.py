"""What a credential gives: a token for one of Azure's services. Contract only: see `key` and `entra`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from ingest.errors import Unreachable

Kind = Literal["servicebus.windows.net:sastoken", "jwt", "bearer"]
"""What `$cbs` is told that a token is: signed with a key, one of Entra for Event Hubs, one of Entra for IoT Hub."""
SAS: Final = "servicebus.windows.net:sastoken"
JWT: Final = "jwt"
BEARER: Final = "bearer"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that takes tokens of an Entra identity."""

    name: str
    """The label of metrics."""
    words: str
    """For people."""
    scope: str
    """What a token is asked for."""
    role: str
    """The role that an identity needs there, by Azure's name."""


EVENT_HUBS: Final = Service(
    "event_hubs", "Event Hubs", "https://eventhubs.azure.net//.default", "Azure Event Hubs Data Receiver"
)
"""With two slashes, as azure-eventhub: the token's audience is `https://eventhubs.azure.net/`."""
IOT_HUB: Final = Service("iot_hub", "IoT Hub", "https://iothubs.azure.net/.default", "IoT Hub Data Contributor")
STORAGE: Final = Service(
    "blob_storage", "Blob Storage", "https://storage.azure.com/.default", "Storage Blob Data Contributor"
)
SERVICES: Final = (EVENT_HUBS, IOT_HUB, STORAGE)


class Token(NamedTuple):
    """A token for one service. Its repr does not show it."""

    text: str
    seconds: float
    """How long it holds from now on."""
    expires: int | None = None
    """When it runs out, Unix seconds, where the hub is told that beside the token."""
    kind: Kind = SAS

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.seconds:.0f} s)"


class Held(NamedTuple):
    """A token of an Entra identity. Its repr does not show it."""

    text: str
    expires: float
    """When it runs out, Unix seconds."""

    def seconds(self, now: float | None = None) -> float:
        """How long it holds from `now` on, by default this moment."""
        return self.expires - (time.time() if now is None else now)

    def __repr__(self) -> str:
        return f"Held(until {self.expires:.0f})"


class NoToken(Unreachable):
    """There is no token that holds. `str()` says why."""

    def __init__(self, sentence: str, *, refused: bool = False, pending: bool = False) -> None:
        """`refused`: the token endpoint does not know the identity, so waiting does not help. `pending`: the first answer
        of the endpoint is waited for."""
        self.refused = refused
        self.pending = pending
        super().__init__(sentence)


class Claim(NamedTuple):
    """How a connection shows a service who it is."""

    audience: str
    """What the token opens, as `$cbs` is told."""
    make: Callable[[], Token]
    """Returns a token at once, without I/O. Raises NoToken."""
    fix: str
    """What mends the service's refusal of such a token, one clause."""
