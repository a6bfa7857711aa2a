"""Why a link to the hub does not come up: uamqp has no words for any fault of TLS, of a proxy or of WebSocket."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from ingest import scarcity
from ingest.hub.kept_link import Obstacle
from ingest.hub.network.faults import REFUSALS, NetworkFault
from ingest.hub.network.probing import look
from ingest.hub.network.route import Route
from ingest.hub.service_errors import condition_of, is_refusal, words
from ingest.hub.tls import iot_hub_context

logger = logging.getLogger(__name__)


class TlsQuestion:
    """Goes the way to the hub by itself, on a thread of its own, when uamqp had no words for its failure."""

    def __init__(
        self,
        route: Route,
        ca_file: Path | None,
        *,
        ask: Callable[[Route, Path | None], NetworkFault | None] | None = None,
    ) -> None:
        """`ask` gives the fault; None when there is none."""
        self.fault: str | None = None
        """What was found last; None when the way is free, or has not been looked at since `forget`."""
        self.refused = False
        """Whether that is a proxy's refusal, which waiting does not mend."""
        self._route = route
        self._ca_file = ca_file
        self._ask = ask or _ask
        self._thread: threading.Thread | None = None

    @property
    def obstacle(self) -> Obstacle | None:
        """As a carrier says it."""
        return Obstacle(self.fault, self.refused) if self.fault is not None else None

    def words(self, error: Exception, *, seconds: float) -> str:
        """Of a link that never came up: why, as far as is known now; asks where that is not known. `seconds`: how long it
        was waited for."""
        if condition_of(error) or is_refusal(error):
            return words(error)
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="tls-question", daemon=True)
            try:
                thread.start()
            except RuntimeError as full:  # asked again with the next link that fails
                return f"{words(error)}; {scarcity.words(full) or full}"
            self._thread = thread
        if self.fault is None and isinstance(error, TimeoutError):
            return f"no answer from {self._route.host} within {max(1.0, seconds):.0f} s"
        return self.fault or words(error)

    def forget(self) -> None:
        """The link is up."""
        self.fault = None
        self.refused = False

    def _run(self) -> None:
        found = self._ask(self._route, self._ca_file)
        words = str(found) if found is not None else None
        if words is not None and words != self.fault:
            logger.error("IoT Hub %s: %s", self._route.host, words)
        self.refused = found is not None and found.hop in REFUSALS
        self.fault = words


def _ask(route: Route, ca_file: Path | None) -> NetworkFault | None:
    try:
        look(route, lambda: iot_hub_context(ca_file))
    except NetworkFault as fault:
        return fault
    return None
