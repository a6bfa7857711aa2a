"""Commands over uamqp, the AMQP client below azure-iot-hub.

azure-iot-hub's own client sends one message per round trip, throws the hub's reason away, sends a throttled message again
at once and behind later ones, and is of no use once its link has ended. So uamqp is used directly, with its retries off.
"""

import logging
import threading
from functools import partial
from pathlib import Path
from typing import Any

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.kept_link import Obstacle
from ingest.hub.network.route import Route
from ingest.hub.service_errors import condition_of, words
from ingest.hub.tls_question import TlsQuestion
from ingest.sink.commands.command import Command
from ingest.sink.sending.contract import Answered
from ingest.sink.sending.results import RELEASED, SENT, judge

TURN_SECONDS = 0.005
"""uamqp has no handle to wait on: while answers are out, it is asked this often."""
_IDLE_TURN_SECONDS = 0.02

logger = logging.getLogger(__name__)


class SdkCommands:
    """Implements `contract.CommandCarrier`."""

    def __init__(self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float) -> None:
        self.came_up = False
        self._hub = hub
        self._ca_file = ca_file
        self._route = route
        self._idle_seconds = idle_seconds
        self._tls = TlsQuestion(route, ca_file)
        self._client: Any = None
        self._flying: set[int] = set()
        self._unexplained: list[int] = []
        """Given back without a reason in this turn: by the hub, or by uamqp because the link has ended."""
        self._answers: list[Answered] = []
        self._pause = threading.Event()

    @property
    def obstacle(self) -> Obstacle | None:
        return self._tls.obstacle

    @property
    def state(self) -> str:
        connection, handler = (getattr(self._client, name, None) for name in ("_connection", "message_handler"))
        return " and ".join(str(getattr(part, "_state", None)) for part in (connection, handler))

    def open(self) -> None:
        from ingest.hub.service_client import CommandClient

        self._client = CommandClient(self._hub, self._ca_file, self._route, idle_seconds=self._idle_seconds)
        self._client.open()

    def send(self, number: int, command: Command) -> None:
        message = message_of(command)
        if not _is_plain(command):
            # Encodes it, as the client does again when it sends it: what it raised then would end the link.
            message.get_message()
        self._flying.add(number)
        message.on_send_complete = partial(self._answered, number)
        self._client.queue_message(message)

    def work(self, seconds: float) -> list[Answered]:
        if not self.came_up:
            if self._client.client_ready():
                self.came_up = True
                self._tls.forget()
            else:
                self._pause.wait(min(TURN_SECONDS, seconds))
            return []
        if not self._client.do_work():
            raise ConnectionError("the client ended the link")
        self._client.ensure_up()
        # The link is up: what came back without a reason was given back by the hub.
        self._answers += [Answered(number, RELEASED) for number in self._unexplained]
        self._unexplained.clear()
        if not self._answers and seconds > 0:
            self._pause.wait(min(TURN_SECONDS if self._flying else _IDLE_TURN_SECONDS, seconds))
        return self._taken()

    def close(self) -> list[Answered]:
        client, self._client = self._client, None
        self.came_up = False
        if client is not None:
            try:
                client.close()
            except Exception as error:  # a broken link cannot say good-bye
                logger.debug("Closing the link: %s", error)
        self._unexplained.clear()
        self._flying.clear()
        return self._taken()

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        return words(error) if came_up else self._tls.words(error, seconds=seconds)

    def _taken(self) -> list[Answered]:
        answers, self._answers = self._answers, []
        return answers

    def _answered(self, number: int, result: Any, problem: Any) -> None:
        """uamqp's callback for one message, inside `do_work` or `close`."""
        if number not in self._flying:
            return
        self._flying.discard(number)
        if result.name == "Ok":
            self._answers.append(Answered(number, SENT))
        elif condition := condition_of(problem):
            self._answers.append(Answered(number, judge(condition, words(problem))))
        else:
            self._unexplained.append(number)


def _is_plain(command: Command) -> bool:
    """Whether all its texts are ASCII, which every client can encode."""
    texts = (command.to, command.message_id, command.correlation_id, command.content_type, command.content_encoding)
    pairs = command.properties.items()
    return all(text is None or text.isascii() for text in texts) and all(a.isascii() and b.isascii() for a, b in pairs)


def message_of(command: Command) -> Any:
    """uamqp's message, with everything of the command in it."""
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
