"""A hub in memory: a stream whose other end is a server of `ingest.amqp`, which answers at once."""

from collections.abc import Callable

from ingest.amqp.connection import Connection
from ingest.amqp.link import AttachAsked, Link
from ingest.hub.client.client import Client
from ingest.hub.client.manners import EVENT_HUBS, Manner
from ingest.timing import Deadline
from tests.amqp.pair import server


class MemoryStream:
    """Implements `ingest.hub.network.contract.Stream`; `attach_asked` says what becomes of a link."""

    held = False

    def __init__(self, attach_asked: Callable[[Link], None]) -> None:
        self.hub: Connection = server(window=1_000)
        self.sent = b""
        """On its way to the client."""
        self._attach_asked = attach_asked

    def fileno(self) -> int:
        return -1

    def wait(self, seconds: float) -> bool:
        return bool(self.sent)

    def gather(self, seconds: float, least: int) -> None: ...

    def interrupt_on(self, descriptor: int) -> None: ...

    def read(self, most: int) -> bytes | None:
        data, self.sent = self.sent[:most], self.sent[most:]
        return data or None

    def write(self, data: bytes) -> None:
        for event in self.hub.receive(data):
            if isinstance(event, AttachAsked):
                self._attach_asked(event.link)
        self.sent += self.hub.data_to_send()

    def close(self) -> None: ...

    def terminate(self) -> None: ...


def in_memory(attach_asked: Callable[[Link], None], manner: Manner = EVENT_HUBS) -> tuple[Client, MemoryStream]:
    """A client with its session open, and the stream to its hub."""
    stream = MemoryStream(attach_asked)
    client = Client(stream, "hub", manner, container_id="client")
    client.start()
    client.until(client.advance, Deadline(10.0), "begun the session")
    return client, stream
