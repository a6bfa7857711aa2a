"""A link from one partition of an event hub, up to where its transfers are cut out of the stream by who reads them."""

from typing import Any

from ingest.amqp.link import Attached, Detached
from ingest.amqp.performatives import Attach
from ingest.hub.client.client import Client, hub_error
from ingest.hub.service_errors import HubError


class PartitionLink:
    """Asks for no event before `grant`."""

    def __init__(self, client: Client, attach: Attach) -> None:
        self.error: HubError | None = None
        """Why the link has ended, in the hub's words."""
        self.came_up = False
        """Whether the hub has taken the link, also when it has ended since."""
        self._link = client.session.attach_receiver(attach, handle=client.handles()[0])
        client.own(self._link, self)

    @property
    def remote_handle(self) -> int:
        """The hub's number of the link, in its transfers. Raises HubError before the link came up."""
        if self._link.remote_handle is None:
            raise HubError("", "the link is not up")
        return self._link.remote_handle

    @property
    def credit(self) -> int:
        """Events that the hub may still send."""
        return self._link.credit

    def grant(self, credit: int) -> None:
        """Lets the hub send so many events from now on; goes out with what is sent next."""
        self._link.grant(credit)

    def count(self, frames: int, events: int, *, unfinished: bool) -> None:
        """As `ingest.amqp.receiver.Receiver.count`."""
        self._link.count(frames, events, unfinished=unfinished)

    def detach(self) -> None:
        """Leaves the partition to others; goes out with what is sent next. Does nothing where there is no link."""
        if self._link.attached:
            self._link.detach()

    def on(self, event: Any) -> None:
        match event:
            case Attached():
                self.came_up = True
                if self._link.attached:  # else its end has come with it
                    self._link.grant(0)  # as the stock client, which asks for nothing at first
            case Detached(_, error):
                self.error = hub_error(error, "the hub detached the link without a reason", "detached")
