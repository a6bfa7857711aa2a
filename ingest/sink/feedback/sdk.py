"""Feedback over uamqp, the AMQP client below azure-iot-hub."""

import logging
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.kept_link import Obstacle
from ingest.hub.network.route import Route
from ingest.hub.service_errors import words
from ingest.hub.tls_question import TlsQuestion
from ingest.sink.feedback.contract import PREFETCH, Received

MOST_WAIT_MS = 20
"""uamqp rounds it up to some 50 ms when nothing comes."""

logger = logging.getLogger(__name__)


class SdkFeedback:
    """Implements `kept_link.Carrier` for feedback."""

    def __init__(self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float) -> None:
        self.came_up = False
        self._hub = hub
        self._ca_file = ca_file
        self._route = route
        self._idle_seconds = idle_seconds
        self._tls = TlsQuestion(route, ca_file)
        self._client: Any = None

    @property
    def obstacle(self) -> Obstacle | None:
        return self._tls.obstacle

    @property
    def state(self) -> str:
        connection, handler = (getattr(self._client, name, None) for name in ("_connection", "message_handler"))
        return " and ".join(str(getattr(part, "_state", None)) for part in (connection, handler))

    def open(self) -> None:
        from ingest.hub.service_client import FeedbackClient

        self._client = FeedbackClient(
            self._hub, self._ca_file, self._route, prefetch=PREFETCH, idle_seconds=self._idle_seconds
        )
        self._client.open()

    def work(self, seconds: float) -> list[Received]:
        if not self.came_up:
            self.came_up = bool(self._client.client_ready())
            if self.came_up:
                self._tls.forget()
            return []
        messages = self._client.receive_message_batch(PREFETCH, timeout=min(MOST_WAIT_MS, round(seconds * 1000)))
        self._client.ensure_up()
        return [self._received(message) for message in messages]

    def close(self) -> list[Received]:
        client, self._client = self._client, None
        self.came_up = False
        if client is not None:
            try:
                client.close()
            except Exception as error:  # a broken link cannot say good-bye
                logger.debug("Closing the feedback link: %s", error)
        return []

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        return words(error) if came_up else self._tls.words(error, seconds=seconds)

    def _received(self, message: Any) -> Received:
        client = self._client

        def accept() -> None:
            # A message cannot be settled on another link than its own, whose memory the C library has freed by then.
            if client is not self._client:
                return
            try:
                message.accept()
            except Exception as error:  # the link has ended just now: the message comes again, and is known
                logger.debug("A feedback message cannot be accepted: %s", error)

        try:
            return Received(b"".join(message.get_data()), accept)
        except TypeError:  # an AMQP value or sequence, in which there is no JSON
            return Received(str(message).encode(), accept)
