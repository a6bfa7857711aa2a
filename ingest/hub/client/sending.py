"""A link that sends to the hub: commands, each with what became of it."""

from collections.abc import Sequence
from typing import Any

from ingest.amqp.composites import Composite
from ingest.amqp.link import Attached, Detached
from ingest.amqp.performatives import Attach, Error, Rejected
from ingest.amqp.sender import Outcome
from ingest.amqp.serial import advanced
from ingest.hub.client.client import Client, hub_error
from ingest.hub.client.manners import NODE_CREDIT
from ingest.hub.service_errors import HubError


def rejection(state: Composite | None) -> HubError | None:
    """Why the hub rejects a message, in its words; None if it does not reject it, or gives no reason."""
    if isinstance(state, Rejected) and isinstance(state.error, Error):
        return hub_error(state.error, "")
    return None


class SendingLink:
    """Every message gets one answer, unless the link ends first: then it is in `unanswered`."""

    def __init__(self, client: Client, attach: Attach) -> None:
        self.error: HubError | None = None
        """Why the link has ended, in the hub's words."""
        self.came_up = False
        """Whether the hub has taken the link, also when it has ended since."""
        self._client = client
        self._answers: list[Outcome] = []
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
        return self._link.unsettled

    def send(self, messages: Sequence[bytes]) -> list[int]:
        """Puts encoded messages on the link, the first ones, as many as there is `room` for; they go out with the client's
        next `work`. Returns their numbers. Raises WrongMove if the link is not up."""
        first = self._client.session.next_delivery_id
        return [advanced(first, step) for step in range(self._link.send_all(messages))]

    def answers(self) -> list[Outcome]:
        """Those that have come since the last call; `delivery_id` is the number of `send`."""
        answers, self._answers = self._answers, []
        return answers

    def on(self, event: Any) -> None:
        match event:
            case Outcome():
                self._answers.append(event)
            case Attached():
                self.came_up = True
                if self._link.attached:  # else its end has come with it
                    self._link.announce(NODE_CREDIT)
            case Detached(_, error):
                self.error = hub_error(error, "the hub detached the link without a reason")
