"""Commands over the AMQP client of our own."""

import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from ingest import scarcity
from ingest.amqp.composites import Composite
from ingest.amqp.performatives import Accepted
from ingest.config.connection_strings import IotHubAddress
from ingest.hub.client import manners
from ingest.hub.client.client import Client
from ingest.hub.client.sending import SendingLink, rejection
from ingest.hub.client.service import ServiceLink
from ingest.hub.kept_link import Obstacle
from ingest.hub.network.route import Route
from ingest.hub.service_errors import condition_of, words
from ingest.sink.commands.command import Command
from ingest.sink.sending.contract import Answered
from ingest.sink.sending.message import encoded
from ingest.sink.sending.results import RELEASED, SENT, Outcome, judge

GATHER_SECONDS: Final = 0.005
"""For so long, once one has come, the answers to other commands are waited for: a turn of the process costs more than one."""


class FastCommands:
    """Implements `contract.CommandCarrier`."""

    def __init__(self, hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float) -> None:
        self.obstacle: Obstacle | None = None
        """Never one: what is in the way is told when the link ends."""
        self._hub = hub
        self._ca_file = ca_file
        self._route = route
        self._idle_seconds = idle_seconds
        self._service: ServiceLink[SendingLink] | None = None
        self._unsent: deque[tuple[int, bytes]] = deque()
        """Beyond the credit of the hub."""
        self._pause = threading.Event()
        self._numbers: dict[int, int] = {}
        """Of a message on the link, by the link's own number."""

    def open(self) -> None:
        self._service = ServiceLink(
            self._hub, self._ca_file, self._route, self._attached, idle_seconds=self._idle_seconds
        )

    @property
    def came_up(self) -> bool:
        return self._service is not None and self._service.came_up

    @property
    def state(self) -> str:
        if self._service is None:
            return "none"
        link = self._service.link
        room = f", credit for {link.room} more, {len(self._unsent)} wait for credit" if link is not None else ""
        return f"{self._service.stage}{room}"

    def send(self, number: int, command: Command) -> None:
        self._unsent.append((number, encoded(command)))

    def work(self, seconds: float) -> list[Answered]:
        service = self._service
        if service is None:
            return []
        self._put()
        end = time.monotonic() + seconds
        service.work(seconds)
        link, left = service.link, min(GATHER_SECONDS, end - time.monotonic())
        if link is not None and 0 < link.answered < len(self._numbers) and left > 0:
            self._pause.wait(left)
            service.work(0)
        return self._answers(service)

    def close(self) -> list[Answered]:
        service, self._service = self._service, None
        answers: list[Answered] = []
        if service is not None:
            answers = self._answers(service)
            service.close()
        self._unsent.clear()
        self._numbers.clear()
        return answers

    def words(self, error: Exception, *, came_up: bool, seconds: float) -> str:
        return scarcity.words(error) or words(error)

    def _attached(self, client: Client) -> SendingLink:
        return SendingLink(client, manners.commands(self._hub.host, client.container_id))

    def _put(self) -> None:
        link = self._service.link if self._service is not None else None
        if link is None or not self._unsent or not (most := min(link.room, len(self._unsent))):
            return
        going = [self._unsent.popleft() for _ in range(most)]
        sent = link.send([message for _, message in going])
        self._numbers.update(zip(sent, (number for number, _ in going), strict=False))
        self._unsent.extendleft(reversed(going[len(sent) :]))

    def _answers(self, service: ServiceLink[SendingLink]) -> list[Answered]:
        if service.link is None:
            return []
        pop = self._numbers.pop
        return [Answered(pop(each.delivery_id), _outcome(each.state)) for each in service.link.answers()]


def _outcome(state: Composite | None) -> Outcome:
    if isinstance(state, Accepted):
        return SENT
    error = rejection(state)
    condition = condition_of(error)
    return judge(condition, words(error)) if condition else RELEASED
