"""One child process of the demo: runs without the terminal, keeps its log, ends with its whole group."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import ingest
from ingest.timing import Deadline

LOG_TAIL_LINES = 15
LONGEST_TMPDIR_BYTES = 70
"""multiprocessing creates a socket at /pymp-xxxxxxxx/listener-xxxxxxxx below it; a socket's path can have 103 bytes on
macOS, 107 on Linux."""


class ChildProcess:
    """`python -m` of one of our modules, in its own session, so that Ctrl-C reaches only the demo.

    Lifecycle: `start`, then `close` (SIGTERM) or `terminate` (SIGKILL, with its descendants), then `join`.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, *, talks: bool) -> None:
        """`arguments` follow `-m`; log and temporary files go to `folder`. `talks`: has `input` and `output`."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self._folder = folder
        self._talks = talks
        self._process: subprocess.Popen[bytes] | None = None
        self._joined = False

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this Python and our own module
                # -P: a folder named ingest in the user's current folder is not our package.
                [sys.executable, "-P", "-m", *self._arguments],
                stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._talks else log,
                stderr=log,
                env=_environment(self._folder),
                start_new_session=True,
            )

    @property
    def group(self) -> int:
        """The process group of this process and all that it starts."""
        assert self._process is not None
        return self._process.pid

    @property
    def input(self) -> IO[bytes]:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def output(self) -> IO[bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def wait(self, seconds: float) -> int | None:
        """Returns the exit status (minus the signal's number) once it has ended; None if it does not end in time."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """Returns the end of its log, for a report of its death."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "Its last log lines:\n" + "\n".join(f"  {line}" for line in lines) if lines else "It logged nothing."

    def end_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def terminate(self) -> None:
        if self._process is not None and not self._joined:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def join(self, deadline: Deadline) -> None:
        """Waits for the end, then ends the rest of the group, with or without its leader."""
        if self._process is None or self._joined:
            return
        self.wait(deadline.remaining())
        self.terminate()
        self._joined = True
        self._process.wait()
        self.end_input()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _environment(folder: Path) -> dict[str, str]:
    # The user's own INGEST__SECTION__KEY would override the demo's configuration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INGEST__")}
    paths = [str(Path(ingest.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if len(os.fsencode(folder)) <= LONGEST_TMPDIR_BYTES:
        environment["TMPDIR"] = str(folder)
    return environment
