"""Kills service processes and removes their folder when the process that started them dies without doing so.

The owner holds one end of a pipe to a small process that runs this file;
the kernel closes that end however the owner dies.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO


class Guard:
    """A private temporary folder, and a watch over the processes that work in it."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"ingest-{name}-"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(self.folder)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}")

    def release(self, pid: int) -> None:
        """`pid` has been waited for; the number may soon belong to a stranger."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """Kill whatever is still watched, remove the folder, and wait until both are done."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=30)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def stand_guard(orders: IO[str], folder: str) -> None:
    """Keep the set of `+pid` and `-pid` orders until the other side hangs up, then clear away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in orders:
        pid = int(line[1:])
        if line[0] == "+":
            watched.add(pid)
        else:
            watched.discard(pid)
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for _ in range(5):  # A process that is being killed may still add a file.
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):  # noqa: PTH110 - every import delays the moment when the guard stands
            break


if __name__ == "__main__":
    stand_guard(sys.stdin, sys.argv[1])
