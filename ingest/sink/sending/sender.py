"""Sends commands to the hub: many in flight over one long-lived link, each with its own answer.

When the link ends, every unanswered command is handed back, and a new link is opened.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.kept_link import KeptLink
from ingest.hub.network.route import AMQPS_PORT, Route
from ingest.hub.reconnect import IDLE_SECONDS
from ingest.sink.commands.command import Command
from ingest.sink.sending.contract import CommandCarrier
from ingest.sink.sending.results import LINK_LOST, UNANSWERED, Outcome
from ingest.timing import Backoff

ANSWER_SECONDS = 30.0
"""The hub answers a message in milliseconds; without an answer for this long the link has lost it."""

logger = logging.getLogger(__name__)


class Sender:
    """One link to `/messages/devicebound`. `start, send, poll, close, terminate`; all on one thread."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        *,
        transport: Literal["fast", "sdk"] = "fast",
        route: Route | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`transport`: as in `sink.transport`. `route`: how the hub is reached, by default directly in AMQP.
        `idle_seconds`: a connection on which nothing comes for so long, not even an empty frame, is given up."""
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._carrier = _carrier(
            transport, hub, ca_file, route or Route(hub.host, hub.port or AMQPS_PORT), idle_seconds=idle_seconds
        )
        self._link = KeptLink(hub.host, self._carrier, what="The link", clock=clock, backoff=backoff, logger=logger)
        self._waiting: dict[int, tuple[Command, float]] = {}
        self._answers: list[tuple[Command, Outcome]] = []
        self._next = 0

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent now; None while the link is up."""
        return self._link.trouble

    @property
    def in_flight(self) -> int:
        """Commands without an answer."""
        return len(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether `send` may be called."""
        return self._link.ready

    @property
    def links(self) -> int:
        """Links opened so far."""
        return self._link.life.links

    @property
    def evidence(self) -> str:
        """What is known of the link, for the log of a stall."""
        return f"{self.in_flight} commands in flight on {self._link.evidence}"

    def start(self) -> None:
        self._link.start()

    def send(self, command: Command) -> None:
        """Puts one command on the link; its answer comes from `poll`. Only while `ready`.

        Raises what the client raises for a command that it cannot encode; then nothing is sent, and the link stays.
        """
        self._carrier.send(self._next, command)
        self._waiting[self._next] = (command, self._clock())
        self._next += 1

    def poll(self, timeout: float) -> list[tuple[Command, Outcome]]:
        """Works on the link, up to `timeout` seconds or the first answers; returns the answers that came.

        A command that was in flight when its link ended comes back with LINK_LOST, in the order of sending; one that the
        hub has not answered in time ends the link, and comes back first, with UNANSWERED.
        Raises Refused when the hub, or a proxy on the way, refuses a link before any was up.
        """
        end = self._clock() + timeout
        while True:
            self._turn(max(0.0, end - self._clock()))
            if self._answers or self._clock() >= end:
                answers, self._answers = self._answers, []
                return answers

    def reopen(self, sentence: str) -> None:
        """Gives the link up and opens another one; what is unanswered comes back from the next `poll`."""
        if self._link.is_open:
            self._link.lost(TimeoutError(sentence))

    def close(self) -> None:
        """Ends the link; what is unanswered comes back from one more `poll`, which opens no other link."""
        self._link.stop()
        self._collect()

    terminate = close

    def _turn(self, seconds: float) -> None:
        try:
            self._link.turn(seconds)
        finally:
            self._collect()
        oldest = next(iter(self._waiting.items()), None)
        if oldest is not None and self._clock() - oldest[1][1] > self._answer_seconds:
            # The link may be to blame, or this one command; those behind it are only lost with the link.
            number, (command, _) = oldest
            del self._waiting[number]
            self._answers.append((command, UNANSWERED))
            try:
                self._link.lost(TimeoutError(UNANSWERED.sentence))
            finally:
                self._collect()

    def _collect(self) -> None:
        """Takes the answers; with the end of the link, everything else is lost, after the answers that came with that."""
        for number, outcome in self._link.taken():
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                self._answers.append((waiting[0], outcome))
        if not self._link.is_open and self._waiting:
            self._answers += [(command, LINK_LOST) for command, _ in self._waiting.values()]
            self._waiting.clear()


def _carrier(
    transport: Literal["fast", "sdk"], hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float
) -> CommandCarrier:
    if transport == "fast":
        from ingest.sink.sending.fast import FastCommands

        return FastCommands(hub, ca_file, route, idle_seconds=idle_seconds)
    from ingest.sink.sending.sdk import SdkCommands

    return SdkCommands(hub, ca_file, route, idle_seconds=idle_seconds)
