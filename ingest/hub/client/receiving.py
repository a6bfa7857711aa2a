"""A link that receives from the hub: feedback, each message settled by hand."""

from typing import Any, NamedTuple

from ingest.amqp.composites import Composite
from ingest.amqp.link import Attached, Detached
from ingest.amqp.performatives import Attach
from ingest.amqp.receiver import Delivery
from ingest.hub.client.client import Client, hub_error
from ingest.hub.service_errors import HubError


class Incoming(NamedTuple):
    """One message."""

    number: int
    """For `settle`."""
    message: bytes
    settled: bool
    """Whether the hub does not want to know what became of it."""


class ReceivingLink:
    """At most `credit` messages are sent ahead of those that were taken."""

    def __init__(self, client: Client, attach: Attach, *, credit: int) -> None:
        self.error: HubError | None = None
        """Why the link has ended, in the hub's words."""
        self.came_up = False
        """Whether the hub has taken the link, also when it has ended since."""
        self._client = client
        self._credit = credit
        self._messages: list[Incoming] = []
        self._held = 0
        """Messages that are not settled, or not taken."""
        self._link = client.session.attach_receiver(attach, handle=client.handles()[0])
        client.own(self._link, self)

    @property
    def ready(self) -> bool:
        """Whether the link can be used now."""
        return self._link.attached

    def messages(self) -> list[Incoming]:
        """Those that have come since the last call."""
        messages, self._messages = self._messages, []
        self._held -= sum(each.settled for each in messages)
        self._top_up()
        return messages

    def settle(self, number: int, state: Composite) -> bool:
        """Says what became of a message. Returns False if the hub does not wait for that any more: its link has ended."""
        if not self._link.settle(number, state):
            return False
        self._held -= 1
        self._top_up()
        return True

    def on(self, event: Any) -> None:
        match event:
            case Attached():
                self.came_up = True
                if self._link.attached:  # else its end has come with it
                    self._link.grant(0)  # as the stock clients, which ask for nothing at first
                    self._link.grant(self._credit)
            case Delivery(_, number, message, settled):
                self._held += 1
                self._messages.append(Incoming(number, message, settled))
            case Detached(_, error):
                self.error = hub_error(error, "the hub detached the link without a reason")

    def _top_up(self) -> None:
        """Once half of what was granted is used up; what is held counts as sent ahead."""
        room = self._credit - self._held
        if self._link.attached and room > 0 and self._link.credit <= room // 2:
            self._link.grant(room)
