"""Feedback over the AMQP client of our own."""

from pathlib import Path

from ingest import scarcity
from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Data, Value, decode_message
from ingest.amqp.performatives import Accepted
from ingest.config.connection_strings import IotHubAddress
from ingest.hub.client import manners
from ingest.hub.client.client import Client
from ingest.hub.client.receiving import Incoming, ReceivingLink
from ingest.hub.client.service import ServiceLink
from ingest.hub.kept_link import Obstacle
from ingest.hub.network.route import Route
from ingest.hub.service_errors import words
from ingest.sink.feedback.contract import PREFETCH, Received


class FastFeedback:
    """Implements `kept_link.Carrier` for feedback."""

    def __init__(self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float) -> None:
        self.obstacle: Obstacle | None = None
        """Never one: what is in the way is told when the link ends."""
        self._hub = hub
        self._ca_file = ca_file
        self._route = route
        self._idle_seconds = idle_seconds
        self._service: ServiceLink[ReceivingLink] | None = None

    def open(self) -> None:
        self._service = ServiceLink(
            self._hub, self._ca_file, self._route, self._attached, idle_seconds=self._idle_seconds
        )

    @property
    def came_up(self) -> bool:
        return self._service is not None and self._service.came_up

    @property
    def state(self) -> str:
        return self._service.stage if self._service is not None else "none"

    def work(self, seconds: float) -> list[Received]:
        service = self._service
        if service is None:
            return []
        service.work(seconds)
        link = service.link
        return [self._received(link, each) for each in link.messages()] if link is not None else []

    def close(self) -> list[Received]:
        service, self._service = self._service, None
        if service is not None:
            service.close()
        return []

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        return scarcity.words(error) or words(error)

    def _attached(self, client: Client) -> ReceivingLink:
        return ReceivingLink(client, manners.feedback(self._hub.host, client.container_id), credit=PREFETCH)

    @staticmethod
    def _received(link: ReceivingLink, incoming: Incoming) -> Received:
        def accept() -> None:
            # Goes out with the next `work`, or with the good-bye; a link that has ended takes it no more.
            link.settle(incoming.number, Accepted())

        return Received(_body(incoming.message), accept)


def _body(raw: bytes) -> bytes:
    """The data of a message; of one without, what the parser of feedback calls malformed."""
    try:
        body = decode_message(raw).body
    except AmqpError:
        return raw
    match body:
        case Data(parts):
            return b"".join(parts)
        case Value(value):
            return str(value).encode(errors="replace")
        case _:
            return str(body).encode(errors="replace")
