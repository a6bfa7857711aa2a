"""Questions to a node of the hub, and its answers: `$cbs` and `$management`, over a pair of links."""

import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ingest.amqp.errors import AmqpError
from ingest.amqp.lifetime import Half
from ingest.amqp.link import Attached, Detached
from ingest.amqp.message import Message, Properties, Value, decode_message
from ingest.amqp.performatives import RECEIVER, SENDER, Accepted
from ingest.amqp.receiver import Delivery
from ingest.amqp.sender import Sendable
from ingest.amqp.types import Symbol, Timestamp
from ingest.hub.client.client import Client, hub_error
from ingest.hub.client.manners import NODE_CREDIT
from ingest.hub.service_errors import HubError
from ingest.timing import Deadline

CBS: Final = "$cbs"
MANAGEMENT: Final = "$management"
SAS: Final = "servicebus.windows.net:sastoken"
JWT: Final = "jwt"
_MOST_WAITING: Final = 100
_CONDITIONS: Final = {
    401: "amqp:unauthorized-access",
    403: "amqp:unauthorized-access",
    404: "amqp:not-found",
}


class NodeRefused(HubError):
    """The node answers with a status that is no success. Its condition is that of AMQP for the same."""

    def __init__(self, node: str, status: int, words: str) -> None:
        self.status = status
        super().__init__(_CONDITIONS.get(status, ""), words or f"{node} answers with status {status}")


class Node:
    """A pair of links to one node, of which a client needs no second. Answers come in any order."""

    def __init__(self, client: Client, node: str) -> None:
        """Attaches; questions may be asked at once and go out as soon as the hub lets them."""
        self.error: HubError | None = None
        """Why no answers come any more."""
        self._client = client
        self._node = node
        self._unsent: deque[bytes] = deque()
        self._waiting: dict[object, Callable[[Message | HubError], None]] = {}
        """By message id."""
        self._numbers = 0
        session, manner = client.session, client.manner
        sender, receiver = client.handles()

        def attach_receiver() -> None:
            self._receiver = session.attach_receiver(manner.to_node(node, RECEIVER), handle=receiver)

        def attach_sender() -> None:
            self._sender = session.attach_sender(manner.to_node(node, SENDER), handle=sender)

        for attach in (attach_receiver, attach_sender)[:: 1 if manner.receiver_first else -1]:
            attach()
        client.own(self._sender, self)
        client.own(self._receiver, self)

    def ask(self, message: Message, answered: Callable[[Message | HubError], None]) -> None:
        """Sends a question. `answered` gets the answer, or why there is none; it is called once. Raises HubError."""
        if self.error is not None:
            raise self.error
        if len(self._waiting) >= _MOST_WAITING:
            raise HubError("", f"{len(self._waiting)} questions to {self._node} wait for an answer")
        message_id = self._new_id()
        message.properties = Properties(message_id=message_id)
        self._waiting[message_id] = answered
        self._unsent.append(message.encode())
        self._send()

    def answer(self, message: Message, deadline: Deadline) -> Message:
        """The answer to a question, waited for. Raises HubError, OSError or TimeoutError."""
        found: list[Message | HubError] = []
        self.ask(message, found.append)
        self._client.until(lambda: bool(found), deadline, f"answered on {self._node}")
        if isinstance(found[0], HubError):
            raise found[0]
        return found[0]

    def _new_id(self) -> object:
        """As the stock clients: a number where links are named after their node, else random."""
        if not self._client.manner.named_after_node:
            return uuid.uuid4()
        self._numbers += 1
        return self._numbers - 1

    def _send(self) -> None:
        while self._unsent and self._sender.room:
            self._sender.send(self._unsent.popleft())

    def on(self, event: Any) -> None:
        match event:
            case Attached(link) if not link.attached:
                pass  # its end has come with it, and is told next
            case Attached(link) if link is self._receiver:
                self._receiver.grant(NODE_CREDIT)
            case Attached() if self._client.manner.announces:
                self._sender.announce(NODE_CREDIT)
            case Sendable():
                self._send()
            case Delivery(_, delivery_id, raw, settled):
                self._answered(raw)
                if not settled:
                    self._receiver.settle(delivery_id, Accepted())
                if self._receiver.credit < NODE_CREDIT // 2 and self._receiver.attached:
                    self._receiver.grant(NODE_CREDIT)
            case Detached(_, error):
                self._end(hub_error(error, f"the hub ended the links to {self._node} without a word"))

    def _answered(self, raw: bytes) -> None:
        try:
            message = decode_message(raw)
        except AmqpError as error:
            self._end(HubError("amqp:decode-error", f"an answer of {self._node} cannot be read: {error}"))
            return
        asked = message.properties.correlation_id if message.properties is not None else None
        answered = self._waiting.pop(asked, None) if isinstance(asked, int | str | bytes | uuid.UUID) else None
        if answered is None:
            return  # to nothing that was asked, or that is still waited for
        properties = message.application_properties or {}
        status = properties.get("status-code")
        if isinstance(status, int) and 200 <= status < 300:
            answered(message)
        else:
            words = properties.get("status-description")
            answered(NodeRefused(self._node, status if isinstance(status, int) else 0, str(words or "")))

    def _end(self, error: HubError) -> None:
        if self.error is None:
            self.error = error
            for link in (self._sender, self._receiver):
                # Of the pair, the hub may have ended one alone; the other's name must be free for another pair.
                if link.lifetime.ours is Half.UP:
                    link.detach()
            waiting, self._waiting = self._waiting, {}
            self._unsent.clear()
            for answered in waiting.values():
                answered(error)


def put_token(audience: str, token: str, *, kind: str = SAS, expires: int | None = None) -> Message:
    """A claim for `$cbs` (AMQP claims-based security 1.0). `expires`: Unix seconds, where the client says that."""
    properties: dict[Any, Any] = {"name": audience, "operation": "put-token", "type": kind}
    if expires is not None:
        properties["expiration"] = Timestamp(expires * 1000)
    return Message(application_properties=properties, body=Value(token))


def read_hub(event_hub: str, token: str | None) -> Message:
    """What Event Hubs' `$management` is asked for a hub."""
    return _read({"name": event_hub}, token, "com.microsoft:eventhub")


def read_partition(event_hub: str, partition: str, token: str | None) -> Message:
    """What Event Hubs' `$management` is asked for a partition."""
    return _read({"name": event_hub, "partition": partition}, token, "com.microsoft:partition")


def _read(properties: dict[Any, Any], token: str | None, kind: str) -> Message:
    if token is not None:
        properties["security_token"] = token
    return Message(application_properties={**properties, "operation": "READ", "type": kind})


def described(answer: Message) -> dict[str, Any]:
    """What `$management` says, by name. Raises HubError if that is no map."""
    value = answer.body.value if isinstance(answer.body, Value) else None
    if not isinstance(value, dict):
        raise HubError("", "the answer of $management is not a map")
    return {str(key): each for key, each in value.items() if isinstance(key, str | Symbol)}
