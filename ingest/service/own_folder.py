"""The temporary folder of one service, for its fork server's socket; what killed ones have left is cleaned.

A service holds a lock on a file in its folder for as long as it lives; the kernel gives it back whatever it dies of.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import process
from pathlib import Path
from typing import Any

PREFIX = "ingestd-"
_ALIVE = "alive"
_HALF_MADE_SECONDS = 3_600.0
"""A folder without the file is one that somebody makes just now, until it is so old."""


@dataclass(frozen=True, slots=True)
class OwnFolder:
    path: Path
    lock: int
    """A descriptor."""


def claim() -> OwnFolder | None:
    """Cleans up, and makes the folder that multiprocessing uses from now on. None when there is no room for one: it then
    makes its own."""
    with contextlib.suppress(OSError):
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                _clean(left)
        made = _make(parent)
        current: Any = process.current_process()
        current._config["tempdir"] = str(made.path)
        return made
    return None


def leave(folder: OwnFolder | None) -> None:
    """Removes the folder; nothing of the service may need it any more."""
    if folder is not None:
        shutil.rmtree(folder.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(folder.lock)


def _make(parent: Path) -> OwnFolder:
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(path / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # With its name comes the lock: whoever finds the file unlocked knows that its service is gone.
    (path / "new").rename(path / _ALIVE)
    return OwnFolder(path, lock)


def _clean(left: Path) -> None:
    """Unless its service lives. Raises OSError for what is not ours to open or to remove."""
    try:
        lock = os.open(left / _ALIVE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - left.stat().st_mtime > _HALF_MADE_SECONDS:
            shutil.rmtree(left)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError
        shutil.rmtree(left)
    finally:
        os.close(lock)
