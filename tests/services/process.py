"""One service process: started with its output in a file, stopped, killed, paused, waited for."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.services import ServiceError
from tests.services.guard import Guard


class ServiceProcess:
    """A child process that dies with us. May be started again after it has ended."""

    def __init__(
        self, name: str, command: Sequence[str], guard: Guard, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = command
        self._guard = guard
        self._environment = environment
        self._log: Path = guard.folder / f"{name.replace(' ', '-')}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Raises ServiceError when the process is not running."""
        return self._running().pid

    def start(self) -> None:
        if self._process is not None:
            raise ServiceError(f"{self.name} is already running.")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(self._environment or {})},
                cwd=self._guard.folder,
                start_new_session=True,
            )
        self._guard.watch(self._process.pid)

    def output(self) -> str:
        """What it has written to standard output and error so far, over all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def poll(self) -> int | None:
        """None while the process runs; else its exit status (minus the signal's number)."""
        return self._running().poll()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`. Raises ServiceError with the log's end if it ends, or `seconds` pass, first."""
        process = self._running()
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None:
                raise ServiceError(f"{self.name} ended with status {process.returncode}. {self._last_lines()}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} does not answer after {seconds:g} s. {self._last_lines()}")
            try:
                process.wait(timeout=0.03)
            except subprocess.TimeoutExpired:
                continue

    def close(self) -> None:
        """Ask the process to stop."""
        self._send(signal.SIGTERM)

    def terminate(self) -> None:
        """Kill the process now, as `kill -9` or a power cut would."""
        self._send(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the process: its port still accepts connections, and nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def join(self, seconds: float) -> None:
        """Wait for the end of the process; kill it when `seconds` have passed. Nothing to do if it is not running."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.terminate()
            self._process.wait(timeout=30)
        self._guard.release(self._process.pid)
        self._process = None

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServiceError(f"{self.name} is not running.")
        return self._process

    def _last_lines(self) -> str:
        lines = self.output().splitlines()[-20:]
        return "Its last words:\n" + "\n".join(lines) if lines else "It said nothing."
