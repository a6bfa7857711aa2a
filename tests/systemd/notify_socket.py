"""systemd's end of the notify socket: what a service says, in order."""

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.timing import Deadline


class NotifySocket:
    """A bound datagram socket. `abstract`: a name in the kernel instead of a file in `folder`."""

    def __init__(self, folder: Path, *, abstract: bool = False) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"ingest-test-{os.getpid()}-{id(self)}"
        self.address = f"@{name}" if abstract else str(folder / "notify")
        self._socket.bind(f"\0{name}" if abstract else self.address)
        self.said: list[str] = []
        """Every datagram so far."""

    def take(self) -> list[str]:
        """The datagrams that are there now."""
        new = []
        while message := self._receive(0):
            new.append(message)
        self.said += new
        return new

    def wait(self, start: str, seconds: float = 60.0) -> str:
        """The next datagram that begins so; those before it are in `said`."""
        deadline = Deadline(seconds)
        while True:
            message = self._receive(deadline.remaining())
            assert message is not None, f"no {start!r} after {self.said}"
            self.said.append(message)
            if message.startswith(start):
                return message

    def _receive(self, seconds: float) -> str | None:
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(4096).decode()
        except (BlockingIOError, TimeoutError):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
