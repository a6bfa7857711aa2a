"""Request and response over a pair of links: how $cbs and $management talk."""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ingest.amqp.errors import AmqpError
from ingest.amqp.message import Message, Properties, Value, decode_message
from ingest.amqp.performatives import Accepted, Attach, Source, Target
from ingest.amqp.types import Int
from ingest.emulator.amqp.ports import LinkOwner, Peer
from ingest.emulator.amqp.receiving_link import ReceivingLink
from ingest.emulator.amqp.sending_link import SendingLink
from ingest.emulator.conditions import Condition

_CREDIT = 100

Answer: TypeAlias = Callable[[Peer, Message], Message]
"""Makes the response; the links put the correlation id in."""


def response(status: int, description: str, value: object = None) -> Message:
    """A response with a status code as in HTTP."""
    return Message(
        properties=Properties(),
        application_properties={"status-code": Int(status), "status-description": description},
        body=Value(value),
    )


class ResponseLink(SendingLink):
    """Carries responses to the client. Sends settled."""

    def __init__(self, session: LinkOwner, attach: Attach) -> None:
        super().__init__(session, attach)
        source, target = attach.source, attach.target
        self.node = source.address if isinstance(source, Source) else None
        self.reply_to = target.address if isinstance(target, Target) else None
        self._waiting: deque[bytes] = deque()

    def send(self, message: Message) -> None:
        self._waiting.append(message.encode())
        self.on_window()

    def take(self, delivery_id: int) -> bytes | None:
        return self._waiting.popleft() if self._waiting else None


class RequestLink(ReceivingLink):
    """Takes requests from the client, and sends each answer over the client's response link."""

    def __init__(self, session: LinkOwner, attach: Attach, answer: Answer) -> None:
        super().__init__(session, attach)
        target = attach.target
        self._node = target.address if isinstance(target, Target) else None
        self._answer = answer

    def accept(self) -> None:
        super().accept()
        if self.attached:  # not if the client has sent something without waiting for credit
            self.receiver.grant(_CREDIT)

    def on_message(self, delivery_id: int, message: bytes, settled: bool) -> None:
        self.receiver.settle(delivery_id, Accepted())
        if self.attached and self.receiver.credit < _CREDIT // 2:
            self.receiver.grant(_CREDIT)
        try:
            request = decode_message(message)
        except AmqpError as error:
            self.detach(Condition("amqp:decode-error", str(error)))
            return
        self._respond(request)

    def _respond(self, request: Message) -> None:
        asked = request.properties or Properties()
        link = self._response_link(asked.reply_to)
        if link is None:
            text = "A request came, but there is no link that its response could go to."
            self.detach(Condition("amqp:precondition-failed", text))
            return
        answer = self._answer(self.session.peer, request)
        answer.properties = Properties(correlation_id=asked.message_id)
        link.send(answer)

    def _response_link(self, reply_to: str | None) -> ResponseLink | None:
        links = [link for link in self.session.siblings() if isinstance(link, ResponseLink)]
        named = [link for link in links if reply_to is not None and link.reply_to == reply_to]
        return next(iter(named + [link for link in links if link.node == self._node]), None)
