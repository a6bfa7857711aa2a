"""Prometheus and promtool: the system's, or those of its Debian package, unpacked into the clone's cache (96 MB)."""

import shutil
import tempfile
from pathlib import Path

from tests.services import needed, prerequisites
from tests.services.cache import FOLDER, locked

_PROGRAMS = ("prometheus", "promtool")


def ensure() -> None:
    """Make sure that both programs are there. Raises ServiceError."""
    prometheus()


def prometheus() -> str:
    """Path of the server. Raises ServiceError."""
    return _find("prometheus")


def promtool() -> str:
    """Path of the tool that checks rules and metrics. Raises ServiceError."""
    return _find("promtool")


def _find(program: str) -> str:
    needed(program)
    installed = {name: shutil.which(name) for name in _PROGRAMS}
    if all(installed.values()):
        return str(installed[program])
    folder = FOLDER / "prometheus"
    if not folder.exists():
        with locked("prometheus"):
            if not folder.exists():
                _unpack(folder)
    return str(folder / "usr" / "bin" / program)


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="prometheus-", ignore_cleanup_errors=True) as temporary:
        unpacked = Path(temporary, "unpacked")
        unpacked.mkdir()
        prerequisites.unpack("prometheus", unpacked)
        if not (unpacked / "usr" / "bin" / "promtool").exists():  # a package of its own since Debian 14
            prerequisites.unpack("promtool", unpacked)
        unpacked.rename(folder)
