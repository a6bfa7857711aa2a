"""Our client, connected to an emulated hub over plain TCP."""

import base64
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from ingest.hub.client.client import Client
from ingest.hub.client.manners import EVENT_HUBS, IOT_HUB, Manner
from ingest.hub.client.requests import CBS, Node, put_token
from ingest.hub.network.sockets import SocketStream
from ingest.timing import Deadline

PATIENCE = 60.0
HOST = "localhost"
_T = TypeVar("_T")


def connected(emulator: Emulator, manner: Manner, *, idle_seconds: float | None = None, host: str = HOST) -> Client:
    """Open, but not authorized."""
    host_name, _, port = emulator.endpoints.amqp.rpartition("/")[2].rpartition(":")
    stream = SocketStream(socket.create_connection((host_name, int(port)), timeout=PATIENCE))
    made = Client(stream, host, manner, container_id=str(uuid.uuid4()), idle_seconds=idle_seconds)
    made.start()
    made.until(made.advance, Deadline(PATIENCE), "begun the session")
    return made


def service(emulator: Emulator, *, idle_seconds: float | None = None, host: str = HOST) -> Client:
    """May send commands and receive feedback."""
    made = connected(emulator, IOT_HUB, idle_seconds=idle_seconds, host=host)
    token = sign(host, base64.b64decode(emulator.keys.service), int(time.time()) + 3600, POLICY)
    Node(made, CBS).answer(put_token(f"https://{host}", token), Deadline(PATIENCE))
    return made


def reader(emulator: Emulator, audience: str, *, key: str = "", host: str = HOST) -> tuple[Client, str]:
    """May ask and read Event Hubs; with its token."""
    made = connected(emulator, EVENT_HUBS, host=host)
    expires = int(time.time()) + 3600
    token = sign(audience, (key or emulator.keys.service).encode(), expires, POLICY)
    try:
        Node(made, CBS).answer(put_token(audience, token, expires=expires), Deadline(PATIENCE))
    except BaseException:
        made.close()
        raise
    return made, token


def stream_of(client: Client) -> SocketStream:
    return cast("SocketStream", client._stream)


def gathered(client: Client, take: Callable[[], Sequence[_T]], count: int) -> list[_T]:
    """What `take` gives until there is enough of it."""
    found: list[_T] = []

    def enough() -> bool:
        found.extend(take())
        return len(found) >= count

    client.until(enough, Deadline(PATIENCE), "sent enough")
    return found
