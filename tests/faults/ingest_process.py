"""`ingest` as a user runs it: a process of its own, seen through its log, its port and its exit code."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from ingest.timing import Deadline
from tests.faults.waiting import PATIENCE_SECONDS, gone, wait_until
from tests.services import ROOT
from tests.services.guard import Guard

Sections = Mapping[str, Mapping[str, object]]
_HTTP_SECONDS = 10
ORPHAN_SECONDS = 15
"""More than a child takes to find that its supervisor is gone."""


def write_config(path: Path, *layers: Sections) -> None:
    """A TOML file; a later layer's keys replace an earlier one's."""
    sections: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, keys in layer.items():
            sections.setdefault(section, {}).update(keys)
    lines = [
        line
        for section, keys in sections.items()
        # TOML takes JSON's notation of text, numbers, booleans and lists of them.
        for line in (f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class IngestProcess:
    """`ingest COMMAND` with the configuration `folder/ingest.toml`. May be started again after it has ended.

    The process, and through it its children, die with the test run.
    """

    def __init__(self, folder: Path, command: str, *options: str) -> None:
        """`command`: source, sink or run; `options` follow its own."""
        self._command = command
        self._options = options
        self.config = folder / "ingest.toml"
        self._log = folder / "log"
        self._guard: Guard | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._begins_at = 0
        self._address: str | None = None

    def start(self) -> None:
        self._guard = self._guard or Guard(self._command)
        self._begins_at = self._log.stat().st_size if self._log.exists() else 0
        self._address = None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest", self._command, "-c", str(self.config), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                # Away from the terminal's Ctrl-C, which is pytest's.
                start_new_session=True,
            )
        self._guard.watch(self._process.pid)

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def log(self) -> list[dict[str, Any]]:
        """The entries since the last start, as [service] log_format = "json" writes them; other lines as `message`."""
        if not self._log.exists():
            return []
        lines = self._log.read_bytes()[self._begins_at :].decode(errors="replace").splitlines()
        return [json.loads(line) if line.startswith("{") else {"message": line} for line in lines]

    def messages(self) -> list[str]:
        return [entry["message"] for entry in self.log()]

    def said(self, pattern: str) -> re.Match[str] | None:
        """The first message since the last start in which the regular expression is found."""
        return next((match for message in self.messages() if (match := re.search(pattern, message))), None)

    def wait_said(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        found = wait_until(lambda: self.said(pattern), lambda: self.story(f"no message like {pattern!r}"), seconds)
        assert found is not None
        return found

    def pids(self, slot: str, role: str = "source") -> list[int]:
        """The processes that have had this role and slot since the last start, in order."""
        name = f"{role}-{slot}"
        return list(dict.fromkeys(entry["pid"] for entry in self.log() if entry.get("process") == name))

    def wait_pids(self, slot: str, count: int, role: str = "source", seconds: float = PATIENCE_SECONDS) -> list[int]:
        """`pids`, once there are `count`."""
        return (
            wait_until(
                lambda: pids if len(pids := self.pids(slot, role)) >= count else None,
                lambda: self.story(f"{role} {slot} had the processes {self.pids(slot, role)}"),
                seconds,
            )
            or []
        )

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series `ingest_<name>` that have these labels; 0 when there is none."""
        text = self._get("/metrics")[1]
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"ingest_{name}" and labels.items() <= sample.labels.items()
        )

    def wait_metric(self, name: str, least: float, seconds: float = PATIENCE_SECONDS, **labels: str) -> None:
        wait_until(
            lambda: self.metric(name, **labels) >= least,
            lambda: self.story(f"{name}{labels} is {self.metric(name, **labels)}, not {least}"),
            seconds,
        )

    def readyz(self) -> tuple[int, str]:
        """HTTP status and reasons."""
        return self._get("/readyz")

    def wait_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        wait_until(lambda: self.readyz()[0] == 200, lambda: self.story(f"not ready: {self.readyz()[1]}"), seconds)

    def unready(self, pattern: str) -> bool:
        """Whether /readyz says 503 and a reason in which the regular expression is found."""
        status, reasons = self.readyz()
        return status == 503 and re.search(pattern, reasons) is not None

    def wait_unready(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> None:
        wait_until(
            lambda: self.unready(pattern),
            lambda: self.story(f"/readyz says {self.readyz()}, nothing like {pattern!r}"),
            seconds,
        )

    def descendants(self) -> list[int]:
        """All processes below the supervisor now."""
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found[1:]

    def ended(self) -> int | None:
        """The exit code (minus the signal's number) if the supervisor has ended; it may be started again then."""
        assert self._process is not None, "start() comes first"
        return None if self._process.poll() is None else self.join()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the supervisor alone; its children must find out."""
        children = self.descendants()
        self.send_signal(signal.SIGKILL)
        self.join()
        deadline = Deadline(ORPHAN_SECONDS)
        left = [pid for pid in children if not gone(pid, deadline.remaining())]
        assert not left, self.story(f"processes {left} outlive their supervisor")

    def close(self) -> int:
        """SIGTERM, and the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.join()

    def join(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Waits for the supervisor's end and gives its exit code (minus the signal's number)."""
        assert self._process is not None
        assert self._guard is not None
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.story(f"it runs on after {seconds:g} s")) from None
        self._guard.release(self._process.pid)
        self._process = None
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            children = self.descendants()
            self._process.kill()
            self._process.wait()
            for pid in children:  # one that stands still does not notice that its supervisor is gone
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        if self._guard is not None:
            self._guard.close()
        if kind is not None:
            print(self.story(f"{kind.__name__}, and the log is"), file=sys.stderr)

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self._url() + path, timeout=_HTTP_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def _url(self) -> str:
        self._address = self._address or self.wait_said(r"(http://\S+)/metrics")[1]
        return self._address

    def story(self, what: str) -> str:
        """`what`, and the end of the log, for a failing test."""
        return "\n  ".join([what, *self.messages()[-60:]])


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
