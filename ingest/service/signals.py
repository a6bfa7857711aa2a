"""Queues signals until the supervisor's loop has time for them."""

import signal
import socket
from collections import deque
from collections.abc import Callable
from types import FrameType

from ingest import early_signals

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Turns signals into a queue that the loop reads; handlers do little more than append."""

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        """The handler of a signal that requests a stop calls `on_stop`."""
        self._on_stop = on_stop
        self.queue: deque[int] = deque()
        self.readable, self._writable = socket.socketpair()
        self.readable.setblocking(False)
        self._writable.setblocking(False)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._append)
        if early_signals.take_reload():
            self.queue.append(signal.SIGHUP)

    def _append(self, number: int, _: FrameType | None) -> None:
        self.queue.append(number)
        if number != signal.SIGHUP:
            self._on_stop()

    def take(self) -> int | None:
        """Returns the next signal: a stop before anything else, several SIGHUP as one."""
        try:
            while self.readable.recv(64):
                pass
        except BlockingIOError:
            pass
        waiting = [self.queue.popleft() for _ in range(len(self.queue))]
        stop = next((number for number in waiting if number != signal.SIGHUP), None)
        return stop if stop is not None else waiting[0] if waiting else None
