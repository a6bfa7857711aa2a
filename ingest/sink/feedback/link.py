"""The hub's feedback messages, over a link that is opened again whenever it ends.

The caller accepts messages one by one, once their content is safe. What is not accepted when its link ends comes again
on the next one.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ingest.config.connection_strings import IotHubAddress
from ingest.hub.kept_link import Carrier, KeptLink
from ingest.hub.network.route import AMQPS_PORT, Route
from ingest.hub.reconnect import IDLE_SECONDS
from ingest.sink.feedback.contract import Received
from ingest.timing import Backoff

WAIT_SECONDS = 0.05
"""For a message, while the link is up."""

logger = logging.getLogger(__name__)


class FeedbackLink:
    """A link from `/messages/serviceBound/feedback`. `start, poll, pause, close, terminate`; all on one thread."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        *,
        transport: Literal["fast", "sdk"] = "fast",
        route: Route | None = None,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`transport`: as in `sink.transport`. `route`: how the hub is reached, by default directly in AMQP.
        `idle_seconds`: a connection on which nothing comes for so long, not even an empty frame, is given up."""
        self._carrier = _carrier(
            transport, hub, ca_file, route or Route(hub.host, hub.port or AMQPS_PORT), idle_seconds=idle_seconds
        )
        self._link = KeptLink(
            hub.host, self._carrier, what="The feedback link", clock=clock, backoff=backoff, logger=logger
        )

    @property
    def trouble(self) -> str | None:
        """Why nothing can come now; None while the link is up."""
        return self._link.trouble

    @property
    def ready(self) -> bool:
        """Whether the link is up, so that `poll` waits for messages."""
        return self._link.ready

    @property
    def links(self) -> int:
        """Links opened so far."""
        return self._link.life.links

    def start(self) -> None:
        """Opens the link at the next `poll`; again after `pause`."""
        self._link.start()

    def poll(self) -> list[Received]:
        """Works on the link; gives the messages that came. Takes about 50 ms when none does, nothing while the link is
        not up.

        Raises Refused when the hub, or a proxy on the way, refuses the first link.
        """
        self._link.turn(WAIT_SECONDS if self._link.ready else 0)
        return self._link.taken()

    def pause(self, why: str) -> None:
        """Ends the link until `start`: the hub keeps the messages."""
        self._link.stop(why)

    def close(self) -> None:
        """Ends the link permanently."""
        self.pause("closed")

    terminate = close


def _carrier(
    transport: Literal["fast", "sdk"], hub: IotHubAddress, ca_file: Path | None, route: Route, *, idle_seconds: float
) -> Carrier[Received]:
    if transport == "fast":
        from ingest.sink.feedback.fast import FastFeedback

        return FastFeedback(hub, ca_file, route, idle_seconds=idle_seconds)
    from ingest.sink.feedback.sdk import SdkFeedback

    return SdkFeedback(hub, ca_file, route, idle_seconds=idle_seconds)
