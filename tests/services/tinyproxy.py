"""tinyproxy, an HTTP proxy as companies have one: the system's, or its Debian package unpacked into the clone's cache."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services import prerequisites
from tests.services.cache import FOLDER, locked
from tests.services.guard import Guard
from tests.services.ports import ReservedPort
from tests.services.process import ServiceProcess

_START_SECONDS = 30


def ensure() -> str:
    """Path of the program. Raises ServiceError."""
    installed = shutil.which("tinyproxy")
    if installed:
        return installed
    folder = FOLDER / "tinyproxy"
    if not folder.exists():
        with locked("tinyproxy"):
            if not folder.exists():
                _unpack(folder)
    return str(folder / "usr" / "bin" / "tinyproxy")


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="tinyproxy-", ignore_cleanup_errors=True) as temporary:
        unpacked = Path(temporary, "unpacked")
        unpacked.mkdir()
        prerequisites.unpack("tinyproxy-bin", unpacked)
        unpacked.rename(folder)


class Tinyproxy:
    """One proxy on 127.0.0.1, from entering to leaving the `with` block."""

    def __init__(self, *, connect_ports: Sequence[int], user: str = "", password: str = "") -> None:
        """`connect_ports`: to which it lets through; with `user` only for those who give the password."""
        self._port = ReservedPort()
        self._lines = [
            f"Port {self._port.number}",
            "Listen 127.0.0.1",
            "Timeout 600",
            "MaxClients 100",
            "LogLevel Connect",
            *(f"ConnectPort {port}" for port in connect_ports),
            *([f"BasicAuth {user} {password}"] if user else []),
        ]
        self._guard: Guard | None = None
        self._process: ServiceProcess | None = None

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def targets(self) -> list[str]:
        """Where it was asked to connect to, `host:port`."""
        assert self._process is not None
        return re.findall(r" CONNECT (\S+:\d+) HTTP/", self._process.output())

    def __enter__(self) -> Self:
        self._guard = Guard("tinyproxy")
        file = self._guard.folder / "tinyproxy.conf"
        file.write_text("\n".join([*self._lines, ""]))
        self._process = ServiceProcess("tinyproxy", [ensure(), "-d", "-c", str(file)], self._guard)
        self._process.start()
        self._process.wait_until(self._port.answers, _START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join(30)
        if self._guard is not None:
            self._guard.close()
        self._port.close()
