"""The hub's feedback messages, over a link that is opened again whenever it ends.

The caller accepts messages one by one, once their content is safe. What is not accepted when its link ends comes again
on the next one.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ingest.config.connection_strings import IotHubAddress
from ingest.errors import Refused
from ingest.hub.network.route import AMQPS_PORT, Route
from ingest.hub.reconnect import IDLE_SECONDS, ReconnectPolicy
from ingest.hub.service_errors import is_refusal, words
from ingest.hub.tls_question import TlsQuestion
from ingest.timing import Backoff

OPEN_SECONDS = 20.0
"""A link that is not ready after this long is given up: uamqp can take 10 s for a token alone."""
PREFETCH = 16
"""Messages, of up to 64 records each, that the hub may send before they are accepted."""
WAIT_MS = 20
"""uamqp rounds it up to about 50 ms if nothing comes."""

logger = logging.getLogger(__name__)


class Received(NamedTuple):
    """One feedback message."""

    body: bytes
    accept: Callable[[], None]
    """Call it once everything in the message is safe. It does nothing if the link has ended."""


class FeedbackLink:
    """A link from `/messages/serviceBound/feedback`. `start, poll, pause, close, terminate`; all on one thread."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        *,
        route: Route | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`route`: how the hub is reached, by default directly in AMQP. `idle_seconds`: a connection on which nothing
        comes for this long, not even an empty frame, is given up."""
        self.trouble: str | None = "connecting to the hub"
        """Why nothing can come now; None while the link is up."""
        self._hub = hub
        self._ca_file = ca_file
        self._route = route or Route(hub.host, hub.port or AMQPS_PORT)
        self._clock = clock
        self._life = ReconnectPolicy(OPEN_SECONDS, backoff=backoff)
        self._idle_seconds = idle_seconds
        self._tls = TlsQuestion(self._route, ca_file)
        self._client: Any = None

    @property
    def ready(self) -> bool:
        """Whether the link is up, so that `poll` waits for messages."""
        return self._life.up

    @property
    def links(self) -> int:
        """Links opened so far."""
        return self._life.links

    def start(self) -> None:
        """Opens the link at the next `poll`; again after `pause`."""
        self._life.start(self._clock())

    def poll(self) -> list[Received]:
        """Works on the link; returns the messages that came. Takes about 50 ms if none came, no time without a link.

        Raises Refused when the hub, or a proxy on the way, refuses the first link.
        """
        now = self._clock()
        if self._client is None:
            if self._tls.fault is not None and not self._life.stopped:
                self.trouble = f"IoT Hub {self._hub.host}: {self._tls.fault}"
                if self._tls.refused and not self._life.known_to_work:
                    raise Refused(self.trouble)
            if self._life.seconds_until_due(now) == 0:
                self._open(now)
            return []
        try:
            if not self._life.up:
                if self._client.client_ready():
                    self._life.came_up()
                    self.trouble = None
                    self._tls.forget()
                    logger.info("The feedback link to %s is up.", self._hub.host)
                elif self._life.overdue(now):
                    raise TimeoutError(f"no answer from {self._hub.host} within {OPEN_SECONDS:g} s")
                return []
            messages = self._client.receive_message_batch(PREFETCH, timeout=WAIT_MS)
            self._client.ensure_up()
            return [self._received(message) for message in messages]
        except Exception as error:  # uamqp raises its own errors, the C library's and built-in ones alike
            self._lost(error)
            return []

    def pause(self, why: str) -> None:
        """Ends the link until `start`: the hub keeps the messages."""
        self._life.stop()
        self.trouble = why
        self._end()

    def close(self) -> None:
        """Ends the link permanently."""
        self.pause("closed")

    terminate = close

    def _open(self, now: float) -> None:
        self._life.opened(now)
        try:
            from ingest.hub.service_client import FeedbackClient

            self._client = FeedbackClient(
                self._hub, self._ca_file, self._route, prefetch=PREFETCH, idle_seconds=self._idle_seconds
            )
            self._client.open()
        except Exception as error:
            self._lost(error)

    def _received(self, message: Any) -> Received:
        client = self._client

        def accept() -> None:
            # A message can only be settled on its own link, whose memory the C library has freed by then.
            if client is not self._client:
                return
            try:
                message.accept()
            except Exception as error:  # the link has just ended: the message comes again, and is then known
                logger.debug("A feedback message cannot be accepted: %s", error)

        try:
            return Received(b"".join(message.get_data()), accept)
        except TypeError:  # an AMQP value or sequence, which holds no JSON
            return Received(str(message).encode(), accept)

    def _lost(self, error: Exception) -> None:
        now = self._clock()
        life = self._life
        sentence = (words(error) if life.up else self._tls.words(error, seconds=life.age(now))).rstrip(".")
        if is_refusal(error) and not life.known_to_work:
            self._end()
            raise Refused(f"IoT Hub {self._hub.host}: {sentence}")
        wait = life.ended(now)
        self.trouble = f"IoT Hub {self._hub.host}: {sentence}"
        logger.warning("The feedback link to %s ended: %s. Next try in %.1f s.", self._hub.host, sentence, wait)
        self._end()

    def _end(self) -> None:
        client, self._client = self._client, None
        self._life.closed()
        if client is not None:
            try:
                client.close()
            except Exception as error:  # a broken link cannot say good-bye
                logger.debug("Closing the feedback link: %s", error)
