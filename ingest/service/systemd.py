"""Reports to systemd about this process: sd_notify(3), one datagram per message, nothing without $NOTIFY_SOCKET."""

import logging
import os
import socket
import time
import weakref
from collections.abc import Callable, MutableMapping
from typing import Literal

from ingest.printable import printable

EXTEND_SECONDS = 30.0
"""While it starts, reloads or stops, the service asks for this much more time every `EXTEND_EVERY_SECONDS`."""
EXTEND_EVERY_SECONDS = 5.0
STATUS_EVERY_SECONDS = 1.0
LONGEST_STATUS = 400

logger = logging.getLogger(__name__)


class Notifier:
    """Reports for the one process that systemd watches. One thread calls it; no call blocks or raises.

    The supervisor's loop calls `poll` in every pass, which sends what is due:

    - READY=1 once everything is ready, and again after a reload;
    - WATCHDOG=1 at half of $WATCHDOG_USEC (sd_watchdog_enabled(3)), only while the service copes;
    - EXTEND_TIMEOUT_USEC while it starts, reloads or stops, only while it copes: so it can wait for an absent hub;
    - STATUS= when the line changes.
    """

    def __init__(self, environ: MutableMapping[str, str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes systemd's variables out of `environ`, so that no child process reports in our name.

        `clock` is CLOCK_MONOTONIC in seconds, as RELOADING=1 needs it.
        """
        self._clock = clock
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        # Permanently open, so that the watchdog does not end a process for lack of a free descriptor.
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            weakref.finalize(self, self._socket.close)
        self._ping_every = _ping_every(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        self._phase: Literal["starting", "running", "reloading", "stopping"] = "starting"
        self._was_running = self._unchanged = False
        self._ping_at = self._extend_at = self._status_at = 0.0
        self._status = ""

    def poll(self, *, ready: bool, coping: bool, status: str) -> None:
        """`coping`: every child's heartbeat is fresh, or its replacement is under way."""
        if self._socket is None:
            return
        now = self._clock()
        becomes_ready = (ready and self._phase in ("starting", "reloading")) or (
            self._unchanged and self._phase == "reloading"
        )
        if becomes_ready:
            self._status_at = 0.0  # a process that waited for READY=1 can read the status next
        self._say(status, now)
        if becomes_ready and self._send("READY=1"):
            self._phase = "running"
        if not coping:
            return
        if self._ping_every and now >= self._ping_at and self._send("WATCHDOG=1"):
            self._ping_at = now + self._ping_every
        due = self._phase != "running" and now >= self._extend_at
        if due and self._send(f"EXTEND_TIMEOUT_USEC={EXTEND_SECONDS * 1e6:.0f}"):
            self._extend_at = now + EXTEND_EVERY_SECONDS

    def reloading(self) -> None:
        """A reload begins; it ends with the next `poll` that finds the service ready, or with `unchanged`."""
        if self._phase != "reloading":
            self._was_running = self._phase == "running"
        self._phase, self._extend_at, self._unchanged = "reloading", 0.0, False
        self._send(f"RELOADING=1\nMONOTONIC_USEC={self._clock() * 1e6:.0f}")

    def unchanged(self) -> None:
        """The reload is over and the service goes on as before, ready now or not."""
        if self._phase == "reloading":
            self._unchanged = self._was_running
            self._phase = "reloading" if self._was_running else "starting"

    def stopping(self) -> None:
        self._phase, self._extend_at = "stopping", 0.0
        self._send("STOPPING=1")

    def close(self, status: str) -> None:
        """Sends the last status, which `systemctl status` shows from then on."""
        self._status_at = 0.0
        self._say(status, self._clock())
        self._socket = None

    def _say(self, status: str, now: float) -> None:
        line = printable(" ".join(status.split()))[:LONGEST_STATUS]
        if line != self._status and now >= self._status_at and self._send(f"STATUS={line}"):
            self._status, self._status_at = line, now + STATUS_EVERY_SECONDS

    def _send(self, message: str) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            # The queue is full or systemd is restarting itself: the next pass sends what is due.
            logger.debug("systemd was not told %s: %s.", message.partition("\n")[0], error.strerror)
            return False
        return True


def _address(text: str) -> str:
    """Returns the address to send to: `@name` is an abstract socket; other kinds (vsock:) are useless here."""
    return "\0" + text[1:] if text.startswith("@") else text if text.startswith("/") else ""


def _ping_every(microseconds: str, pid: str) -> float:
    """Returns the seconds between two pings; 0 if systemd does not expect any."""
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(microseconds) / 2e6
