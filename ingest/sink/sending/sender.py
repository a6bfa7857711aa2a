"""Sends commands to the hub: many in flight over one long-lived link, each with its own answer.

azure-iot-hub's own client sends one message per round trip, drops the hub's reason, resends a throttled message at once
and after later ones, and is unusable once its link has ended. So the AMQP client below it (uamqp) is used directly,
with its retries off; when the link ends, every unanswered command is handed back, and a new link is opened.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress
from ingest.errors import Refused
from ingest.hub.network.route import AMQPS_PORT, Route
from ingest.hub.reconnect import IDLE_SECONDS, ReconnectPolicy
from ingest.hub.service_errors import condition_of, is_refusal, words
from ingest.hub.tls_question import TlsQuestion
from ingest.sink.commands.command import Command
from ingest.sink.sending.results import LINK_LOST, RELEASED, SENT, UNANSWERED, Outcome, judge
from ingest.timing import Backoff

OPEN_SECONDS = 20.0
"""A link that is not ready after this long is given up: uamqp can take 10 s for a token alone."""
ANSWER_SECONDS = 30.0
"""The hub answers a message in milliseconds; without an answer after this long the link has lost it."""
TURN_SECONDS = 0.005
"""uamqp has no handle to wait on: while answers are due, it is polled this often."""

logger = logging.getLogger(__name__)


class Sender:
    """One link to `/messages/devicebound`. `start, send, poll, close, terminate`; all on one thread."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        *,
        route: Route | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`route`: how the hub is reached, by default directly in AMQP. `idle_seconds`: a connection on which nothing
        comes for this long, not even an empty frame, is given up."""
        self.trouble: str | None = "connecting to the hub"
        """Why nothing can be sent now; None while the link is up."""
        self._hub = hub
        self._ca_file = ca_file
        self._route = route or Route(hub.host, hub.port or AMQPS_PORT)
        self._clock = clock
        self._life = ReconnectPolicy(OPEN_SECONDS, backoff=backoff)
        self._answer_seconds = answer_seconds
        self._idle_seconds = idle_seconds
        self._tls = TlsQuestion(self._route, ca_file)
        self._client: Any = None
        self._waiting: dict[int, tuple[Command, float]] = {}
        self._unexplained: dict[int, Command] = {}
        """Given back without a reason in this `poll`: by the hub, or by uamqp because the link has ended."""
        self._answers: list[tuple[Command, Outcome]] = []
        self._next = 0
        self._pause = threading.Event()

    @property
    def in_flight(self) -> int:
        """Commands without an answer."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether `send` may be called."""
        return self._life.up

    @property
    def links(self) -> int:
        """Links opened so far."""
        return self._life.links

    @property
    def evidence(self) -> str:
        """What is known of the link, for the log of a stall."""
        connection, handler = (getattr(self._client, name, None) for name in ("_connection", "message_handler"))
        states = " and ".join(str(getattr(part, "_state", None)) for part in (connection, handler))
        age = "" if self._life.opened_at is None else f", opened {self._life.age(self._clock()):.0f} s ago"
        return f"{self.in_flight} commands in flight on link {self.links}{age}, in states {states}"

    def start(self) -> None:
        self._life.start(self._clock())

    def send(self, command: Command) -> None:
        """Puts one command on the link; its answer comes from `poll`. Only while `ready`.

        Raises what the client raises for a command that it cannot encode; then nothing is sent, and the link stays.
        """
        message = message_of(command)
        if not _is_plain(command):
            # Encodes it now, as an error when the client encodes it for sending would end the link.
            message.get_message()
        number, self._next = self._next, self._next + 1
        self._waiting[number] = (command, self._clock())
        message.on_send_complete = partial(self._answered, number)
        self._client.queue_message(message)

    def poll(self, timeout: float) -> list[tuple[Command, Outcome]]:
        """Works on the link, up to `timeout` seconds or the first answers; returns the answers that came.

        A command that was in flight when its link ended comes back with LINK_LOST, in the order of sending; one that the
        hub has not answered in time ends the link, and comes back first, with UNANSWERED.
        Raises Refused when the hub, or a proxy on the way, refuses a link before any was up.
        """
        end = self._clock() + timeout
        while True:
            self._turn()
            if self._answers or self._clock() >= end:
                answers, self._answers = self._answers, []
                return answers
            self._pause.wait(min(TURN_SECONDS if self._waiting or not self._life.up else 0.02, timeout))

    def reopen(self, sentence: str) -> None:
        """Closes the link and opens another one; unanswered commands come back from the next `poll`."""
        if self._client is not None:
            self._lost(TimeoutError(sentence))

    def close(self) -> None:
        """Ends the link; unanswered commands come back from one more `poll`, which opens no other link."""
        self._life.stop()
        if self._client is not None:
            self._end(LINK_LOST)

    terminate = close

    def _turn(self) -> None:
        now = self._clock()
        if self._client is None:
            if self._tls.fault is not None:
                self.trouble = f"IoT Hub {self._hub.host}: {self._tls.fault}"
                if self._tls.refused and not self._life.known_to_work:
                    raise Refused(self.trouble)
            if self._life.seconds_until_due(now) == 0:
                self._open(now)
            return
        try:
            if not self._life.up:
                if self._client.client_ready():
                    self._life.came_up()
                    self.trouble = None
                    self._tls.forget()
                    logger.info("The link to %s is up.", self._hub.host)
                elif self._life.overdue(now):
                    raise TimeoutError(f"no answer from {self._hub.host} within {OPEN_SECONDS:g} s")
                return
            if not self._client.do_work():
                raise ConnectionError("the client ended the link")
            self._client.ensure_up()
            # The link is up: what came back without a reason was given back by the hub.
            self._answers += [(command, RELEASED) for command in self._unexplained.values()]
            self._unexplained.clear()
        except Exception as error:  # uamqp raises its own errors, the C library's and built-in ones alike
            self._lost(error)
            return
        oldest = next(iter(self._waiting.items()), None)
        if oldest is not None and now - oldest[1][1] > self._answer_seconds:
            # The link or this one command can be to blame; later ones are only lost with the link.
            number, (command, _) = oldest
            del self._waiting[number]
            self._answers.append((command, UNANSWERED))
            self._lost(TimeoutError(UNANSWERED.sentence))

    def _open(self, now: float) -> None:
        self._life.opened(now)
        try:
            from ingest.hub.service_client import CommandClient

            self._client = CommandClient(self._hub, self._ca_file, self._route, idle_seconds=self._idle_seconds)
            self._client.open()
        except Exception as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        now = self._clock()
        life = self._life
        sentence = (words(error) if life.up else self._tls.words(error, seconds=life.age(now))).rstrip(".")
        if is_refusal(error) and not life.known_to_work:
            self._end(LINK_LOST)
            raise Refused(f"IoT Hub {self._hub.host}: {sentence}")
        wait = life.ended(now)
        self.trouble = f"IoT Hub {self._hub.host}: {sentence}"
        logger.warning("The link to %s ended: %s. Next try in %.1f s.", self._hub.host, sentence, wait)
        self._end(LINK_LOST)

    def _end(self, outcome: Outcome) -> None:
        client, self._client = self._client, None
        self._life.closed()
        if client is not None:
            try:
                client.close()
            except Exception as error:  # a broken link cannot say good-bye
                logger.debug("Closing the link: %s", error)
        # After the client's end, so that answers that came with it count.
        lost = self._unexplained | {number: command for number, (command, _) in self._waiting.items()}
        self._answers += [(lost[number], outcome) for number in sorted(lost)]
        self._unexplained.clear()
        self._waiting.clear()

    def _answered(self, number: int, result: Any, problem: Any) -> None:
        """uamqp's callback for one message, inside `do_work` or `close`."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        if result.name == "Ok":
            self._answers.append((waiting[0], SENT))
        elif condition := condition_of(problem):
            self._answers.append((waiting[0], judge(condition, words(problem))))
        else:
            self._unexplained[number] = waiting[0]


def _is_plain(command: Command) -> bool:
    """Whether all its texts are ASCII, which every client can encode."""
    texts = (command.to, command.message_id, command.correlation_id, command.content_type, command.content_encoding)
    pairs = command.properties.items()
    return all(text is None or text.isascii() for text in texts) and all(a.isascii() and b.isascii() for a, b in pairs)


def message_of(command: Command) -> Any:
    """Returns uamqp's message, with everything of the command in it."""
    import uamqp

    properties = uamqp.message.MessageProperties(
        message_id=command.message_id, to=command.to, correlation_id=command.correlation_id
    )
    if command.content_type is not None:
        properties.content_type = command.content_type
    if command.content_encoding is not None:
        properties.content_encoding = command.content_encoding
    if command.expiry_ms is not None:
        properties.absolute_expiry_time = command.expiry_ms
    application: dict[str, str] = dict(command.properties)
    if command.ack != "none":
        application["iothub-ack"] = command.ack
    return uamqp.Message(command.body, properties=properties, application_properties=application or None)
