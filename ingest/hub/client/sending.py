"""A link that sends to the hub: commands, each with what became of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ingest.amqp.composites import Composite
from ingest.amqp.link import Attached, Detached
from ingest.amqp.performatives import Accepted, Attach, Error, Rejected
from ingest.amqp.sender import Outcome
from ingest.amqp.serial import advanced
from ingest.hub.client.client import Client, hub_error
from ingest.hub.client.manners import NODE_CREDIT
from ingest.hub.service_errors import HubError


class Answer(NamedTuple):
    """What became of one message."""

    number: int
    """As `send` gave it."""
    state: Composite | None
    """Accepted, Rejected, Released, Modified; None where the hub has settled without a word."""

    @property
    def accepted(self) -> bool:
        return isinstance(self.state, Accepted)

    @property
    def error(self) -> HubError | None:
        """Why the hub rejects the message, in its words; None if it does not reject it, or gives no reason."""
        if isinstance(self.state, Rejected) and isinstance(self.state.error, Error):
            return hub_error(self.state.error, "")
        return None


class SendingLink:
    """Every message gets one answer, unless the link ends first: then it is in `unanswered`."""

    def __init__(self, client: Client, attach: Attach) -> None:
        self.error: HubError | None = None
        """Why the link has ended, in the hub's words."""
        self.came_up = False
        """Whether the hub has taken the link, also when it has ended since."""
        self._client = client
        self._answers: list[Answer] = []
        self._unanswered: dict[int, None] = {}
        self._link = client.session.attach_sender(attach, handle=client.handles()[0])
        client.own(self._link, self)

    @property
    def ready(self) -> bool:
        """Whether the link can be used now."""
        return self._link.attached

    @property
    def room(self) -> int:
        """How many messages the hub lets us send now."""
        return self._link.room

    @property
    def answered(self) -> int:
        """How many answers `answers` has to give."""
        return len(self._answers)

    @property
    def unanswered(self) -> list[int]:
        """Messages whose fate is not known, oldest first."""
        return list(self._unanswered)

    def send(self, messages: Sequence[bytes]) -> list[int]:
        """Puts encoded messages on the link, the first ones, as many as there is `room` for; they go out with the client's
        next `work`. Returns their numbers. Raises WrongMove if the link is not up."""
        first = self._client.session.next_delivery_id
        numbers = [advanced(first, step) for step in range(self._link.send_all(messages))]
        self._unanswered.update(dict.fromkeys(numbers))
        return numbers

    def answers(self) -> list[Answer]:
        """Those that have come since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def on(self, event: Any) -> None:
        match event:
            case Attached():
                self.came_up = True
                if self._link.attached:  # else its end has come with it
                    self._link.announce(NODE_CREDIT)
            case Outcome(_, number, state):
                self._unanswered.pop(number, None)
                self._answers.append(Answer(number, state))
            case Detached(_, error):
                self.error = hub_error(error, "the hub detached the link without a reason")
