"""Signals as the supervisor's loop takes them: one after another, when it has time."""

import signal
import socket
from collections import deque
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Turns signals into a queue that the loop reads; handlers do nothing but append."""

    def __init__(self) -> None:
        self.queue: deque[int] = deque()
        self.readable, self._writable = socket.socketpair()
        self.readable.setblocking(False)
        self._writable.setblocking(False)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._append)

    def _append(self, number: int, _: FrameType | None) -> None:
        self.queue.append(number)

    def take(self) -> int | None:
        try:
            while self.readable.recv(64):
                pass
        except BlockingIOError:
            pass
        return self.queue.popleft() if self.queue else None
