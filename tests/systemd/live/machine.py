"""A machine in a container: systemd as process 1 over a tree of files, seen and steered from outside."""

import contextlib
import os
import pty
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.faults.waiting import wait_until
from tests.services.guard import Guard
from tests.systemd.live import ability

_BOOT_SECONDS = 60
_END_SECONDS = 90
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A tree that can be booted again and again. It shares this machine's network, and dies with us."""

    def __init__(self, name: str, root: Path, medium: Path, guard: Guard) -> None:
        """`medium` is to be seen at /media, read-only."""
        self.name = name
        self.root = root
        self._medium = medium
        self._guard = guard
        self._console = guard.folder / f"{name}.console"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader: psutil.Process | None = None

    def start(self) -> str:
        """Boot, and wait until all that belongs to a boot has started. Returns systemd's verdict, such as `running`."""
        group = self._group
        assert group is not None, ability.lacking()
        group.mkdir(exist_ok=True)
        outer, inner = pty.openpty()
        # A container of its own cgroup: systemd-nspawn makes two below the one that it is in, always with the same names.
        command = f"echo $$ > {group}/cgroup.procs; exec systemd-nspawn {shlex.join(self._options())}"
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        self._guard.watch(self._process.pid)
        threading.Thread(target=self._drain, args=(outer,), daemon=True).start()
        return self.wait_booted()

    def wait_booted(self) -> str:
        """Also after a reboot from within."""
        said = wait_until(
            self._verdict, lambda: f"{self.name} has not booted:\n{self.console()[-2000:]}", _BOOT_SECONDS
        )
        assert said is not None
        return said

    def _options(self) -> list[str]:
        return [
            "--quiet",
            "--settings=no",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--boot",
            f"--machine={self.name}",
            f"--bind-ro={self._medium}:/media",
            f"--directory={self.root}",
        ]

    @property
    def _group(self) -> Path | None:
        ours = ability.cgroup()
        return None if ours is None else ours / f"ingest-live-{os.getpid()}-{self.name}"

    def _drain(self, outer: int) -> None:
        with self._console.open("ab", buffering=0) as console, contextlib.suppress(OSError):
            while data := os.read(outer, 65536):
                console.write(data)
        os.close(outer)

    def console(self) -> str:
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    def _verdict(self) -> str | None:
        assert self._process is not None, "start() comes first"
        assert self._process.poll() is None, f"{self.name} ended:\n{self.console()[-2000:]}"
        if self._leader is None or not self._leader.is_running():
            self._leader = self._find_leader()
            if self._leader is None:
                return None
            self._guard.watch(self._leader.pid)
        try:
            said = self.sh("systemctl is-system-running", expect=None).strip()
        except subprocess.TimeoutExpired:
            return None
        return said if said in ("running", "degraded") else None

    def _find_leader(self) -> psutil.Process | None:
        assert self._process is not None, "start() comes first"
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._process.pid).children():
                if _inner_pid(child.pid) == 1:
                    return child
        return None

    def sh(self, command: str, *, expect: int | None = 0, seconds: float = 120) -> str:
        """Run a line of shell in it, as root. Returns what it printed, both streams. `expect` is its exit code; None: any."""
        assert self._leader is not None, f"{self.name} is not booted"
        enter = ("nsenter", f"--target={self._leader.pid}", "--all", "env", "-i", f"PATH={_PATH}", "HOME=/root")
        done = subprocess.run(
            [*enter, "sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def process(self, inner: int) -> psutil.Process:
        """The process that has this number inside."""
        return next(process for process in self.processes() if _inner_pid(process.pid) == inner)

    def processes(self) -> list[psutil.Process]:
        assert self._leader is not None, f"{self.name} is not booted"
        return [self._leader, *self._leader.children(recursive=True)]

    def power_off(self) -> None:
        """In an orderly way."""
        self.sh("systemctl poweroff", expect=None)
        self.join()

    def terminate(self) -> None:
        """A power cut."""
        if self._process is not None:
            if self._leader is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._leader.kill()  # process 1: all the others go with it
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self.join()

    def join(self) -> None:
        if self._process is not None:
            self._process.wait(_END_SECONDS)
            self._guard.release(self._process.pid)
            self._process = self._leader = None
        if self._group is not None:
            _remove(self._group)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.terminate()


def _inner_pid(pid: int) -> int | None:
    """A process's number in the innermost namespace that it is in; None if it has none of its own, or is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else None
    return None


def _remove(group: Path) -> None:
    """A cgroup and those in it, once the last process has left."""

    def removed() -> bool:
        for folder in _deepest_first(group):
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not group.exists()

    wait_until(removed, f"{group} still has processes", _END_SECONDS)


def _deepest_first(group: Path) -> Iterator[Path]:
    found = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    yield from found
    if group.exists():
        yield group
