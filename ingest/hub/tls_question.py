"""Why a link to the hub does not come up: uamqp says "Authorization timeout" over every fault of TLS."""

import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from ingest import scarcity
from ingest.config.connection_strings import IotHubAddress
from ingest.hub import tls
from ingest.hub.service_errors import condition_of, is_refusal, words

_AMQPS = 5671

logger = logging.getLogger(__name__)


class TlsQuestion:
    """Shakes hands with the hub by itself, on a thread of its own, when uamqp had no words for its failure."""

    def __init__(
        self,
        hub: IotHubAddress,
        ca_file: Path | None,
        *,
        ask: Callable[[str, int, Path | None], str | None] | None = None,
    ) -> None:
        """`ask` gives the fault in words; None when there is none."""
        self.fault: str | None = None
        """What was found last; None when TLS works, or has not been looked at since `forget`."""
        self._hub = hub
        self._ca_file = ca_file
        self._ask = ask or _ask
        self._thread: threading.Thread | None = None

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
            return f"no answer from {self._hub.host} within {max(1.0, seconds):.0f} s"
        return self.fault or words(error)

    def forget(self) -> None:
        """The link is up."""
        self.fault = None

    def _run(self) -> None:
        found = self._ask(self._hub.host, self._hub.port or _AMQPS, self._ca_file)
        if found is not None and found != self.fault:
            logger.error("IoT Hub %s: %s", self._hub.host, found)
        self.fault = found


def _ask(host: str, port: int, ca_file: Path | None) -> str | None:
    try:
        context = tls.iot_hub_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        return f"hub.ca_file = {ca_file} cannot be used ({error.strerror or error}): write the path of a PEM file there"
    found = tls.shake_hands(host, port, context)
    return str(found) if isinstance(found, tls.Fault) else None
