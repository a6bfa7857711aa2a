"""Dials on a thread of its own: neither the system's look-up of a name nor a proxy's silence holds up who waits."""

import ssl
import threading
from collections.abc import Callable

from ingest.hub.network.contract import Stream
from ingest.hub.network.dialing import dial
from ingest.hub.network.route import Route


class Dialing:
    """One try to connect. Begins at once."""

    def __init__(self, route: Route, context: Callable[[], ssl.SSLContext]) -> None:
        """As `dial`. Raises RuntimeError when no thread can be started."""
        self._route = route
        self._context = context
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._given_up = False
        self._stream: Stream | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="dialing", daemon=True).start()

    def wait(self, seconds: float) -> Stream | None:
        """The connection, which the caller owns from then on; None if it is not there within `seconds`.

        Raises what `dial` raises.
        """
        if not self._done.wait(seconds):
            return None
        if self._error is not None:
            raise self._error
        stream, self._stream = self._stream, None
        return stream

    def give_up(self) -> None:
        """Nobody waits any more: what connects later is closed. Raises nothing."""
        with self._lock:
            self._given_up = True
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _run(self) -> None:
        stream: Stream | None = None
        try:
            stream = dial(self._route, self._context)
        except Exception as error:  # told to the thread that waits
            self._error = error
        with self._lock:
            unwanted = self._given_up
            if not unwanted:
                self._stream = stream
        if unwanted and stream is not None:
            stream.close()
        self._done.set()
